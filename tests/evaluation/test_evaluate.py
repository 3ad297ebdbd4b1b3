"""``pcam.evaluate`` on a small run: metrics, threshold, calibration and figures."""

import csv
import json
from pathlib import Path
from typing import NamedTuple

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

from tests.run import run_command


class Result(NamedTuple):
    summary: dict
    label: np.ndarray
    probability: np.ndarray


def read_predictions(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and probabilities of a csv."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    label = np.array([int(row["label"]) for row in rows])
    return label, np.array([float(row["probability"]) for row in rows])


def run_evaluate(monkeypatch: pytest.MonkeyPatch, folder: Path, *words: str) -> Result:
    """Run the command; return what it writes."""
    run_command(monkeypatch, folder, "evaluate", "resamples=100", "hydra.run.dir=out", *words)
    summary = json.loads((folder / "out" / "summary.json").read_text())
    (path,) = (folder / "out" / "predictions").glob("*.csv")
    label, probability = read_predictions(path)
    path.unlink()
    return Result(summary, label, probability)


def test_the_metrics_are_those_of_the_predictions(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    summary, label, probability = run_evaluate(monkeypatch, tmp_path, f"run={run}")
    expected = {
        "auroc": roc_auc_score(label, probability),
        "average_precision": average_precision_score(label, probability),
        "balanced_accuracy": balanced_accuracy_score(label, probability >= 0.5),
        "brier": brier_score_loss(label, probability),
        "nll": log_loss(label, probability),
    }
    for name, value in expected.items():
        assert summary["test"][name]["value"] == pytest.approx(value, abs=1e-6)
    trained = json.loads((run / "summary.json").read_text())["test"]
    assert summary["test"]["auroc"]["value"] == pytest.approx(trained["auroc"]["value"], abs=1e-6)
    assert summary["intervals"]["over"] == "slides"
    out = capsys.readouterr().out
    for text in (
        "calibration error",
        "Brier score",
        "NLL",
        "balanced accuracy",
        "bootstrap over slides; threshold 0.5",
    ):
        assert text in out


def test_the_figures_are_drawn(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_evaluate(monkeypatch, tmp_path, f"run={run}")
    for name in ("evaluation", "mistakes"):
        with Image.open(tmp_path / "out" / "figures" / f"{name}.png") as picture:
            assert min(picture.size) > 300
            assert np.asarray(picture.convert("L")).std() > 10


def test_batches_workers_and_folder_change_nothing(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_evaluate(monkeypatch, tmp_path, f"run={run}")
    (tmp_path / "elsewhere").mkdir()
    words = ("data.batch_size=7", "data.num_workers=1")
    second = run_evaluate(monkeypatch, tmp_path / "elsewhere", f"run={run}", *words)
    np.testing.assert_allclose(first.probability, second.probability, atol=1e-6)
    for name, metric in first.summary["test"].items():
        for key, value in metric.items():
            other = second.summary["test"][name][key]
            assert other == pytest.approx(value, abs=1e-6), (name, key)


def test_the_threshold_is_chosen_on_valid(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    label, probability = read_predictions(run / "predictions" / "valid.csv")
    gains = {}
    for threshold in probability:
        sensitivity = (probability[label == 1] >= threshold).mean()
        gains[threshold] = sensitivity - (probability[label == 0] >= threshold).mean()
    youden = run_evaluate(monkeypatch, tmp_path, f"run={run}", "threshold=youden")
    chosen = youden.summary["threshold"]["value"]
    nearest = min(gains, key=lambda threshold: abs(threshold - chosen))
    assert gains[nearest] == pytest.approx(max(gains.values()))
    out = capsys.readouterr().out
    assert "for the largest sensitivity + specificity on the run's valid" in out
    words = ("threshold=sensitivity", "sensitivity=0.9")
    sensitive = run_evaluate(monkeypatch, tmp_path, f"run={run}", *words)
    chosen = sensitive.summary["threshold"]["value"]
    assert (probability[label == 1] >= chosen - 1e-7).mean() >= 0.9
    accuracy = ((sensitive.probability >= chosen) == sensitive.label).mean()
    assert sensitive.summary["test"]["accuracy"]["value"] == pytest.approx(accuracy)


def test_the_temperature_divides_the_log_odds_and_keeps_their_order(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = run_evaluate(monkeypatch, tmp_path, f"run={run}")
    scaled = run_evaluate(monkeypatch, tmp_path, f"run={run}", "calibration=temperature")
    temperature = scaled.summary["temperature"]
    assert temperature != 1
    log_odds = np.log(plain.probability / (1 - plain.probability))
    scaled_log_odds = np.log(scaled.probability / (1 - scaled.probability))
    np.testing.assert_allclose(scaled_log_odds / log_odds, 1 / temperature, rtol=1e-4)
    auroc = plain.summary["test"]["auroc"]
    assert scaled.summary["test"]["auroc"] == pytest.approx(auroc, abs=1e-9)


def test_a_run_is_not_overwritten(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    before = (run / "summary.json").read_bytes()
    with pytest.raises(SystemExit):
        run_command(monkeypatch, tmp_path, "evaluate", f"run={run}", f"hydra.run.dir={run}")
    assert "error: " in capfd.readouterr().err
    assert (run / "summary.json").read_bytes() == before


def test_another_source_can_be_evaluated_in_part(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pcam_root: Path
) -> None:
    words = ("data=pcam", f"data.root={pcam_root}", "data.limit=20")
    result = run_evaluate(monkeypatch, tmp_path, f"run={run}", *words)
    positive = int(result.label.sum())
    assert result.summary["data"] == {"name": "pcam", "patches": 20, "positive": positive}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("split=valid threshold=youden", "threshold and calibration are fitted on valid"),
        ("threshold=best", "threshold=best"),
        ("calibration=platt", "calibration=platt"),
        ("threshold=sensitivity sensitivity=2", "sensitivity=2"),
        ("resamples=10", "resamples=10"),
        ("tta=d5", "tta=d5"),
        ("split=testing", "split=testing"),
        ("splits=random", "splits=random: the run's own data keeps the splits of the run"),
        ("data.batch_size=0", "data.batch_size=0"),
        ("threshold=1.5", "threshold=1.5"),
        ("seed=-1", "seed=-1"),
        ("data.batchsize=3", "unknown key data.batchsize; did you mean data.batch_size"),
        ("run=nowhere", "nowhere holds no run: config.yaml is missing"),
    ],
)
def test_a_fault_is_one_line(
    words: str,
    message: str,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    given = words.split()
    if not words.startswith("run="):
        given.append(f"run={run}")
    with pytest.raises(SystemExit) as stopped:
        run_command(monkeypatch, tmp_path, "evaluate", "hydra.run.dir=out", *given)
    error = capfd.readouterr().err.strip()
    assert stopped.value.code == 2
    assert error.startswith("error: ")
    assert message in error
    assert "\n" not in error
    assert not (tmp_path / "out").exists()
