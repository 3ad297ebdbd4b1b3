"""The evaluate door on a small run: figures, the rule that reads them, and the pictures."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    log_loss,
    roc_auc_score,
)

from tests.conftest import SMALL, TINY
from tests.run import run_command, train


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train(folder, *TINY, *SMALL, "trainer.max_epochs=1")
    return folder


def evaluated(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *words: str
) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """Return the summary, labels and probabilities that the door leaves."""
    run_command(monkeypatch, folder, "evaluate", "resamples=100", "hydra.run.dir=out", *words)
    summary = json.loads((folder / "out" / "summary.json").read_text())
    (path,) = (folder / "out" / "predictions").glob("*.csv")
    with path.open() as file:
        rows = list(csv.DictReader(file))
    path.unlink()
    return (
        summary,
        np.array([int(row["label"]) for row in rows]),
        np.array([float(row["probability"]) for row in rows]),
    )


def test_the_figures_are_those_of_the_predictions(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    summary, label, probability = evaluated(monkeypatch, tmp_path, f"run={run}")
    figures = {name: figure["value"] for name, figure in summary["test"].items()}
    assert figures["auroc"] == pytest.approx(roc_auc_score(label, probability), abs=1e-6)
    assert figures["average_precision"] == pytest.approx(
        average_precision_score(label, probability), abs=1e-6
    )
    assert figures["balanced_accuracy"] == pytest.approx(
        balanced_accuracy_score(label, probability >= 0.5), abs=1e-6
    )
    assert figures["brier"] == pytest.approx(brier_score_loss(label, probability), abs=1e-6)
    assert figures["nll"] == pytest.approx(log_loss(label, probability), abs=1e-6)
    trained = json.loads((run / "summary.json").read_text())["test"]
    assert figures["auroc"] == pytest.approx(trained["auroc"]["value"], abs=1e-6)
    assert summary["intervals"]["over"] == "slides"
    for name in ("evaluation", "mistakes"):
        with Image.open(tmp_path / "out" / "figures" / f"{name}.png") as picture:
            assert min(picture.size) > 300
            assert np.asarray(picture.convert("L")).std() > 10
    told = capsys.readouterr().out
    for name in (
        "calibration error",
        "Brier score",
        "NLL",
        "balanced accuracy",
        "bootstrap over slides; threshold 0.5",
    ):
        assert name in told


def test_batches_workers_and_folder_change_nothing(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = evaluated(monkeypatch, tmp_path, f"run={run}")
    (tmp_path / "elsewhere").mkdir()
    words = ("data.batch_size=7", "data.num_workers=2")
    second = evaluated(monkeypatch, tmp_path / "elsewhere", f"run={run}", *words)
    np.testing.assert_allclose(first[2], second[2], atol=1e-6)
    for name, figure in first[0]["test"].items():
        for key, value in figure.items():
            assert second[0]["test"][name][key] == pytest.approx(value, abs=1e-6), (name, key)


def test_threshold_and_temperature_are_chosen_on_valid(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, label, probability = evaluated(monkeypatch, tmp_path, f"run={run}")
    with (run / "predictions" / "valid.csv").open() as file:
        rows = list(csv.DictReader(file))
    valid, truth = (
        np.array([float(row["probability"]) for row in rows]),
        np.array([int(row["label"]) for row in rows]),
    )
    gains = {t: (valid[truth == 1] >= t).mean() - (valid[truth == 0] >= t).mean() for t in valid}
    summary, _, _ = evaluated(monkeypatch, tmp_path, f"run={run}", "threshold=youden")
    assert gains[min(gains, key=lambda t: abs(t - summary["threshold"]["value"]))] == pytest.approx(
        max(gains.values())
    )
    assert "of the largest sensitivity + specificity on the run's valid" in capsys.readouterr().out
    summary, _, _ = evaluated(
        monkeypatch, tmp_path, f"run={run}", "threshold=sensitivity", "sensitivity=0.9"
    )
    assert (valid[truth == 1] >= summary["threshold"]["value"] - 1e-7).mean() >= 0.9
    accuracy = ((probability >= summary["threshold"]["value"]) == label).mean()
    assert summary["test"]["accuracy"]["value"] == pytest.approx(accuracy)
    summary, _, scaled = evaluated(monkeypatch, tmp_path, f"run={run}", "calibration=temperature")
    ratio = np.log(scaled / (1 - scaled)) / np.log(probability / (1 - probability))
    np.testing.assert_allclose(ratio, 1 / summary["temperature"], rtol=1e-4)
    assert summary["temperature"] != 1
    assert summary["test"]["auroc"] == pytest.approx(
        plain["test"]["auroc"], abs=1e-9
    )  # the order stays


def test_a_run_is_not_written_over(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    before = (run / "summary.json").read_bytes()
    with pytest.raises(SystemExit):
        run_command(monkeypatch, tmp_path, "evaluate", f"run={run}", f"hydra.run.dir={run}")
    assert (
        "holds a run, whose summary and predictions would be written over" in capfd.readouterr().err
    )
    assert (run / "summary.json").read_bytes() == before


def test_another_source_and_a_part_of_it(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pcam_root: Path
) -> None:
    words = ("data=pcam", f"data.root={pcam_root}", "data.limit=20")
    summary, label, _ = evaluated(monkeypatch, tmp_path, f"run={run}", *words)
    assert summary["data"] == {"name": "pcam", "patches": 20, "positive": int(label.sum())}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "split=valid threshold=youden",
            "threshold and calibration are fitted on valid, so its figures would flatter",
        ),
        ("threshold=best", "threshold=best is not known"),
        ("calibration=platt", "calibration=platt is not known"),
        ("threshold=sensitivity sensitivity=2", "sensitivity=2 is not in (0, 1]"),
        ("resamples=10", "resamples=10: at least 100"),
        ("tta=d5", "tta=d5 is not known"),
        ("split=testing", "has no split 'testing'; did you mean test?"),
        ("splits=random", "splits=random: the run's own data is split as the run split it"),
        ("data.batch_size=0", "data.batch_size=0; it is a count from 1"),
        ("threshold=1.5", "threshold=1.5 is no probability"),
        ("seed=-1", "seed=-1 is less than 0"),
        ("data.batchsize=3", "unknown key data.batchsize; did you mean data.batch_size"),
    ],
)
def test_what_cannot_be_is_one_line(
    words: str,
    said: str,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as left:
        run_command(
            monkeypatch, tmp_path, "evaluate", f"run={run}", "hydra.run.dir=out", *words.split()
        )
    told = capfd.readouterr().err.strip()
    assert left.value.code == 2
    assert told.startswith("error: ")
    assert said in told
    assert "\n" not in told
    assert not (tmp_path / "out").exists()
