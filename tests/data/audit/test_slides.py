from pcam.data.audit.run import audit
from tests.data.audit.planted import Patches


def test_shared_slides_are_reported_with_their_share(clean: dict[str, Patches]) -> None:
    clean["valid"].groups = [
        "train-slide-03" if i < 30 else name for i, name in enumerate(clean["valid"].groups)
    ]
    check = audit(clean)["slides"]
    of_train = [i for i, name in enumerate(clean["train"].groups) if name == "train-slide-03"]
    assert check.verdict == "fail"
    assert (
        check.line == "1 slide in both train and valid,"
        f" with {len(of_train) / 300:.1%} of train and 25.0% of valid"
    )
    assert {(p.split, p.row) for p in check.groups[0]} == {("train", i) for i in of_train} | {
        ("valid", i) for i in range(30)
    }
