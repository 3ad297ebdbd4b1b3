"""The final split after a training, averaged over symmetries."""

import logging
from pathlib import Path

import pytest

from pcam.api.run import load_run
from tests.run import train
from tests.training.runs import STUDY


def test_the_averaged_figures_are_those_of_evaluate(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "pcam"):
        summary = train(tmp_path, *STUDY, "trainer.max_epochs=1", "trainer.tta=flips")
    averaged = summary["tta"]
    assert (averaged["symmetries"], averaged["split"]) == ("flips", "test")
    expected = load_run(tmp_path).evaluate(tta="flips").metrics
    for name in ("auroc", "accuracy", "nll"):
        assert averaged["metrics"][name] == pytest.approx(expected[name])
    assert averaged["metrics"]["nll"]["value"] != summary["test"]["nll"]["value"]
    assert "averaged over 4 symmetries of each patch (trainer.tta=flips):" in caplog.text


def test_without_symmetries_there_are_none(tmp_path: Path) -> None:
    assert train(tmp_path, *STUDY, "trainer.max_epochs=1")["tta"] is None
