"""A run folder that version 0.1.0 wrote opens, evaluates and resumes.

It was trained for two of four epochs, with a frozen and then an unfrozen backbone, a plateau
schedule, a moving average of the weights and early stopping. ``run-0.1.0-resumed`` is what version
0.1.0 itself made of it. Other processors round differently, hence the tolerances.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import pcam
from pcam.evaluation.predictions import read_predictions
from pcam.runs.files import read_metrics
from tests.run import run_command

FIXTURES = Path(__file__).parents[1] / "fixtures"
OLD = FIXTURES / "run-0.1.0"
RESUMED = FIXTURES / "run-0.1.0-resumed"


def probabilities(folder: Path) -> np.ndarray:
    return read_predictions(folder / "predictions" / "test.csv").probability


def test_it_opens_and_evaluates_as_it_did() -> None:
    run = pcam.load_run(OLD)
    assert run.config.finetune.unfreeze_epoch == 1
    evaluation = run.evaluate("test")
    summary = json.loads((OLD / "summary.json").read_text())
    assert evaluation.metrics["auroc"]["value"] == pytest.approx(
        summary["test"]["auroc"]["value"], abs=1e-3
    )


@pytest.mark.slow
def test_it_resumes_as_version_0_1_0_resumed_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(OLD, tmp_path / "run")
    run_command(monkeypatch, tmp_path, "train", "resume=run", "trainer.max_epochs=4")
    rows, expected = (
        read_metrics(folder / "metrics.csv") for folder in (tmp_path / "run", RESUMED)
    )
    assert len(rows) == len(expected) == 4
    for row, old in zip(rows, expected, strict=True):
        for column in set(old) - {"seconds"}:
            assert float(row[column]) == pytest.approx(float(old[column]), abs=2e-3), column
    np.testing.assert_allclose(probabilities(tmp_path / "run"), probabilities(RESUMED), atol=2e-3)


@pytest.mark.parametrize("words", [["trainer.max_epochs=1"], ["optimizer.lr=3"]])
def test_it_cannot_be_changed_or_shortened(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(OLD, tmp_path / "run")
    with pytest.raises(SystemExit) as stop:
        run_command(monkeypatch, tmp_path, "train", "resume=run", *words)
    assert stop.value.code == 2
