import pytest

from pcam.runs.summary import validate_summary
from tests.run import summary_with


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"test": {"auroc": "high"}}, "has a wrong value of test.auroc and lacks test.accuracy"),
        ({"test": "high"}, "has a wrong value of test"),
        ({"valid": {}}, "lacks valid.auroc, valid.accuracy"),
        ({"weights": {}}, "lacks weights.origin"),
        ({"versions": [], "epochs": None}, "has a wrong value of epochs, versions"),
        ({"data": {"valid": {}}}, "lacks data.valid.patches, data.valid.positive"),
        ({"data": 1}, "has a wrong value of data"),
        ({"pruned": {"epoch": 1}}, "lacks pruned.auroc, pruned.median, pruned.jobs"),
    ],
)
def test_a_damaged_summary_says_where(changes: dict[str, object], fault: str) -> None:
    message = validate_summary(summary_with(0.9, 0.8) | changes)
    assert message.startswith(f"summary.json {fault}")
    assert "\n" not in message


def test_batches_that_make_other_steps_than_were_asked_for_are_a_fault() -> None:
    batch = {"size": 8, "accumulated": 4, "asked_size": 16, "asked_accumulated": 2, "changes": []}
    assert not validate_summary(summary_with(0.9, batch=batch))
    wrong = {**batch, "accumulated": 2}
    fault = validate_summary(summary_with(0.9, batch=wrong))
    assert fault == "summary.json has a wrong value of batch"


def test_every_metric_is_an_interval() -> None:
    summary = summary_with(0.9)
    summary["valid"] = {**summary["valid"], "loss": "high"}
    assert validate_summary(summary) == "summary.json has a wrong value of valid.loss"


def test_a_summary_may_hold_more_and_undefined_figures() -> None:
    summary = summary_with(0.9)
    assert validate_summary(summary) == ""
    undefined = {"value": None, "low": None, "high": None, "median": 1.0}
    summary["valid"] = {**summary["valid"], "auroc": undefined, "mine": undefined}
    assert validate_summary({**summary, "processes": 2, "pruned": None}) == ""
    assert validate_summary({}).startswith("summary.json lacks valid, weights, epochs")
