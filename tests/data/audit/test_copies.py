from pcam.data.audit.run import audit
from tests.data.audit.planted import (
    CHANGES,
    Patches,
    brighter,
    groups_of,
    problems,
    reencoded,
    transformed,
)


def test_equal_patches_within_and_across_splits_are_all_found(clean: dict[str, Patches]) -> None:
    train, valid = clean["train"], clean["valid"]
    train.pixels[[40, 299]] = train.pixels[7]
    train.labels[[40, 299]] = train.labels[7]
    train.pixels[100], train.labels[100] = valid.pixels[3], valid.labels[3]
    valid.pixels[60], valid.labels[60] = train.pixels[7], train.labels[7]
    report = audit(clean)
    assert groups_of(report, "equal_within") == {(("train", 7), ("train", 40), ("train", 299))}
    assert groups_of(report, "equal_across") == {
        (("train", 100), ("valid", 3)),
        (("train", 7), ("train", 40), ("train", 299), ("valid", 60)),
    }
    assert problems(report) == {"equal_within", "equal_across"}
    assert (report["equal_within"].count, report["equal_across"].count) == (2, 6)
    assert report.splits["train"]["distinct"] == 298
    assert report.verdict == "fail"


def test_near_equal_patches_are_all_found_and_no_others(clean: dict[str, Patches]) -> None:
    train = clean["train"]
    for k, change in enumerate(CHANGES.values()):
        train.pixels[200 + k], train.labels[200 + k] = change(train.pixels[k]), train.labels[k]
    report = audit(clean)
    missed = {tuple(pair) for pair in groups_of(report, "near_within")} ^ {
        (("train", k), ("train", 200 + k)) for k in range(len(CHANGES))
    }
    assert not missed
    assert problems(report) == {"near_within"}
    assert report["near_within"].count == len(CHANGES)


def test_near_equal_patches_across_splits_are_leakage_with_all_their_copies(
    clean: dict[str, Patches],
) -> None:
    train, test = clean["train"], clean["test"]
    train.pixels[10], train.labels[10] = train.pixels[9], train.labels[9]
    test.pixels[50], test.labels[50] = reencoded(transformed(train.pixels[9], 6)), train.labels[9]
    test.pixels[51], test.labels[51] = brighter(test.pixels[50]), train.labels[9]
    report = audit(clean)
    assert groups_of(report, "near_across") == {
        (("train", 9), ("train", 10), ("test", 50), ("test", 51))
    }
    assert problems(report) == {"near_across", "equal_within"}


def test_contradicting_labels_of_equal_and_near_equal_patches(clean: dict[str, Patches]) -> None:
    train, valid = clean["train"], clean["valid"]
    train.pixels[20], train.labels[20] = train.pixels[5], 1 - train.labels[5]
    train.pixels[30], train.labels[30] = train.pixels[6], train.labels[6]  # no contradiction
    valid.pixels[8], valid.labels[8] = (
        reencoded(transformed(train.pixels[11], 3)),
        1 - train.labels[11],
    )
    report = audit(clean)
    assert groups_of(report, "labels_equal") == {(("train", 5), ("train", 20))}
    assert groups_of(report, "labels_near") == {(("train", 11), ("valid", 8))}
    assert report["labels_equal"].verdict == "fail"
    assert report["labels_near"].verdict == "warn"


def test_dark_patches_are_not_near_equal_to_each_other(clean: dict[str, Patches]) -> None:
    train = clean["train"]
    train.pixels[50] = train.pixels[3] // 8
    train.pixels[51] = train.pixels[50][::-1]
    report = audit(clean)
    assert groups_of(report, "dark") == {(("train", 50),), (("train", 51),)}
    assert report["near_within"].verdict == "pass"
