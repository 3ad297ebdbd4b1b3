"""``pcam.evaluate`` on a small run: metrics, threshold, calibration and figures."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    log_loss,
    roc_auc_score,
)

from pcam.config.schema import EvaluateConfig
from pcam.config.validation import validate
from pcam.data.base import subset
from pcam.errors import ConfigError, DataError
from pcam.evaluation.evaluate import Evaluation, evaluate
from pcam.evaluation.output import summarize_evaluation, write_evaluation
from pcam.evaluation.plots import draw_evaluation
from pcam.evaluation.predictions import read_predictions
from pcam.evaluation.saved_run import SavedRun
from pcam.evaluation.tables import format_evaluation
from pcam.models.network import Network
from pcam.stats.metrics import Floats, Labels
from tests.run import composed_values, run_command


def read_csv(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and probabilities of a csv."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    label = np.array([int(row["label"]) for row in rows])
    return label, np.array([float(row["probability"]) for row in rows])


def evaluate_with(run: Path, *words: str) -> Evaluation:
    """Evaluate as the command would, without its output."""
    values = composed_values(f"run={run}", "resamples=100", *words, command="evaluate")
    return evaluate(validate(EvaluateConfig, values))


def test_the_metrics_are_those_of_the_predictions(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_command(
        monkeypatch,
        tmp_path,
        "evaluate",
        f"run={run}",
        "resamples=100",
        "gallery=0",
        "hydra.run.dir=out",
    )
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    label, probability = read_csv(tmp_path / "out" / "predictions" / "test.csv")
    expected = {
        "auroc": roc_auc_score(label, probability),
        "average_precision": average_precision_score(label, probability),
        "balanced_accuracy": balanced_accuracy_score(label, probability >= 0.5),
        "brier": brier_score_loss(label, probability),
        "nll": log_loss(label, probability),
    }
    for name, value in expected.items():
        assert summary["test"][name]["value"] == pytest.approx(value, abs=1e-6)
    trained = json.loads((run / "summary.json").read_text())["test"]["auroc"]["value"]
    assert summary["test"]["auroc"]["value"] == pytest.approx(trained, abs=1e-6)
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
    for name in ("evaluation", "mistakes"):
        with Image.open(tmp_path / "out" / "figures" / f"{name}.png") as picture:
            assert min(picture.size) > 300
            assert np.asarray(picture.convert("L")).std() > 10


def test_figures_of_an_earlier_evaluation_go(run: Path, tmp_path: Path) -> None:
    figures = tmp_path / "figures"
    figures.mkdir()
    for name in ("evaluation.png", "mistakes.png", "mine.png"):
        (figures / name).touch()
    evaluation = evaluate_with(run)
    positive = evaluation.label == 1
    right = replace(
        evaluation,
        source=subset(evaluation.source, np.flatnonzero(positive)),
        label=evaluation.label[positive],
        logit=np.ones(positive.sum()),
    )
    write_evaluation(right, tmp_path)
    assert [path.name for path in figures.iterdir()] == ["mine.png"]


def test_batches_and_workers_change_nothing(run: Path) -> None:
    first = evaluate_with(run)
    second = evaluate_with(run, "data.batch_size=7", "data.num_workers=1")
    np.testing.assert_allclose(first.probability, second.probability, atol=1e-6)
    for name, metric in first.metrics.items():
        assert second.metrics[name] == pytest.approx(metric, abs=1e-6, nan_ok=True), name


def test_the_threshold_is_chosen_on_valid(run: Path) -> None:
    label, probability = read_csv(run / "predictions" / "valid.csv")
    gains = {}
    for threshold in probability:
        sensitivity = (probability[label == 1] >= threshold).mean()
        gains[threshold] = sensitivity - (probability[label == 0] >= threshold).mean()
    rule = evaluate_with(run, "threshold=youden").rule
    nearest = min(gains, key=lambda threshold: abs(threshold - rule.threshold))
    assert gains[nearest] == pytest.approx(max(gains.values()))
    assert "for the largest sensitivity + specificity on the run's valid" in rule.description
    sensitive = evaluate_with(run, "threshold=sensitivity", "sensitivity=0.9")
    threshold = sensitive.rule.threshold
    assert (probability[label == 1] >= threshold - 1e-7).mean() >= 0.9
    accuracy = ((sensitive.probability >= threshold) == sensitive.label).mean()
    assert sensitive.metrics["accuracy"]["value"] == pytest.approx(accuracy)


def test_the_temperature_divides_the_log_odds_and_keeps_their_order(run: Path) -> None:
    plain = evaluate_with(run)
    scaled = evaluate_with(run, "calibration=temperature")
    assert scaled.rule.temperature != 1
    log_odds = np.log(plain.probability / (1 - plain.probability))
    scaled_log_odds = np.log(scaled.probability / (1 - scaled.probability))
    np.testing.assert_allclose(scaled_log_odds / log_odds, 1 / scaled.rule.temperature, rtol=1e-4)
    assert scaled.metrics["auroc"] == pytest.approx(plain.metrics["auroc"], abs=1e-9)
    assert f"logits divided by {scaled.rule.temperature:.3f}" in format_evaluation(scaled)


@pytest.mark.parametrize(
    ("threshold", "sensitivity"), [(0, 1.0), pytest.param(1, 0.0, marks=pytest.mark.slow)]
)
def test_a_threshold_at_the_end_of_the_range_calls_all_patches_alike(
    threshold: int, sensitivity: float, run: Path, tmp_path: Path
) -> None:
    evaluation = evaluate_with(run, f"threshold={threshold}")
    assert evaluation.metrics["sensitivity"]["value"] == sensitivity
    write_evaluation(evaluation, tmp_path)
    written = json.loads((tmp_path / "summary.json").read_text())["threshold"]
    assert (written["value"], written["logit"]) == (threshold, None)


@pytest.mark.parametrize(
    ("word", "hint"),
    [("calibration=temperature", "calibration=none"), ("threshold=youden", "threshold=0.5")],
)
def test_nothing_is_fitted_on_a_valid_split_of_one_class(
    word: str, hint: str, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_class(config: EvaluateConfig, run: SavedRun) -> tuple[Floats, Labels]:
        return np.array([0.2, 0.7]), np.zeros(2, np.uint8)

    monkeypatch.setattr("pcam.evaluation.decision._predict_valid", one_class)
    with pytest.raises(DataError, match=f"valid has no positive patch: .*; {hint}"):
        evaluate_with(run, word)


@pytest.fixture
def sure_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add 97 to every log-odds, so that every probability is 1."""
    original = Network.forward

    def forward(self: Network, *given: object) -> torch.Tensor:
        return original(self, *given).double() + 97

    monkeypatch.setattr(Network, "forward", forward)


@pytest.mark.parametrize("tta", ["none", pytest.param("d4", marks=pytest.mark.slow)])
def test_a_network_whose_probabilities_are_all_1_is_ranked(
    tta: str, run: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    usual = evaluate_with(run, f"tta={tta}", "threshold=youden")
    request.getfixturevalue("sure_network")
    sure = evaluate_with(run, f"tta={tta}", "threshold=youden")
    assert (sure.probability == 1).all()
    tolerance = 1e-9 if tta == "none" else 0.05  # the mean of other probabilities ranks otherwise
    for name in ("auroc", "average_precision", "sensitivity", "specificity"):
        found, expected = sure.metrics[name]["value"], usual.metrics[name]["value"]
        assert found == pytest.approx(expected, abs=tolerance), name
    assert "threshold 1.0000 (log-odds 9" in sure.rule.description
    assert summarize_evaluation(sure)["threshold"]["logit"] == pytest.approx(97, abs=10)
    write_evaluation(sure, tmp_path)
    again = read_predictions(tmp_path / "predictions" / "test.csv")
    assert again.logit.tolist() == sure.logit.tolist()
    expected = np.where(sure.label == 1, -sure.logit, sure.logit)[sure.largest_errors]
    assert (np.diff(expected) <= 0).all()


@pytest.mark.usefixtures("sure_network")
def test_the_temperature_of_a_sure_network_is_fitted_to_its_log_odds(run: Path) -> None:
    scaled = evaluate_with(run, "calibration=temperature")
    assert scaled.rule.temperature == pytest.approx(100)  # at the bound: it is always positive
    assert "at the upper bound" in format_evaluation(scaled)
    assert len(np.unique(scaled.probability)) == len(scaled.label)


@pytest.mark.slow
def test_the_figure_names_network_data_and_split(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles: list[str] = []
    monkeypatch.setattr(Figure, "suptitle", lambda self, text, **_: titles.append(text))
    network = "test_resnet in place of resnet50 (smoke)"
    evaluation = replace(evaluate_with(run), network=network)
    draw_evaluation(evaluation)
    assert titles[0].startswith(f"{network} on synthetic, test: 40 patches")
    assert titles[1].startswith(f"{network} on synthetic, test: ")


def test_patches_of_one_class_have_no_curves(run: Path, tmp_path: Path) -> None:
    evaluation = evaluate_with(run)
    chosen = np.flatnonzero(evaluation.label == 1)
    one_class = replace(
        evaluation,
        source=subset(evaluation.source, chosen),
        label=evaluation.label[chosen],
        logit=evaluation.logit[chosen],
    )
    assert "evaluation.png" not in draw_evaluation(one_class)
    assert "of one class only: no curves are drawn" in format_evaluation(one_class)


def test_a_run_is_not_overwritten(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    before = (run / "summary.json").read_bytes()
    with pytest.raises(SystemExit):
        run_command(monkeypatch, tmp_path, "evaluate", f"run={run}", f"hydra.run.dir={run}")
    assert "error: " in capfd.readouterr().err
    assert (run / "summary.json").read_bytes() == before


def test_another_source_can_be_evaluated_in_part(run: Path, pcam_root: Path) -> None:
    evaluation = evaluate_with(run, "data=pcam", f"data.root={pcam_root}", "data.limit=20")
    positive = int(evaluation.label.sum())
    data = {"name": "pcam", "patches": 20, "positive": positive}
    assert summarize_evaluation(evaluation)["data"] == data


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
        ("seed=-1", "seed=-1 must be at least 0"),
        ("++data.batchsize=3", "unknown key data.batchsize"),
        ("run=nowhere", "nowhere is not a run folder: config.yaml is missing"),
    ],
)
def test_a_fault_is_reported_and_leaves_no_folder(
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
    assert not (tmp_path / "out").exists()


def test_a_misspelt_key_of_data_is_answered_with_the_similar_one(run: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.batchsize; did you mean data\.batch_size"):
        evaluate_with(run, "++data.batchsize=3")
