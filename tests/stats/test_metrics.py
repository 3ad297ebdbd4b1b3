import warnings

import numpy as np
import pytest
import torch
from sklearn import metrics as sklearn
from torchmetrics.functional import classification as torchmetrics

from pcam.stats.formulas import bin_index
from pcam.stats.metrics import METRICS, RankedScores, classification_metrics

CASES = 100


def example(case: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores and labels: every second case has ties, every tenth one class, some hard scores."""
    rng = np.random.default_rng(case)
    size = int(rng.integers(20, 300))
    label = (rng.random(size) < rng.uniform(0.2, 0.8)).astype(np.uint8)
    label[:2] = 0, 1
    if case % 10 == 9:
        label[:] = case // 10 % 2
    score = np.clip(0.5 + 0.2 * (label - 0.5) + 0.25 * rng.normal(size=size), 0, 1)
    if case % 2:
        score = np.round(score * 8) / 8
    if case % 25 == 3:
        score = np.round(score)
    return score, label


@pytest.mark.parametrize("case", range(CASES))
def test_metrics_equal_scikit_learn(case: int) -> None:
    score, label = example(case)
    predicted = score >= 0.5
    ours = classification_metrics(score, label)
    both, none_predicted = 0 < label.sum() < len(label), not predicted.any()
    theirs = {
        "accuracy": sklearn.accuracy_score(label, predicted),
        "brier": sklearn.brier_score_loss(label, score),
        "nll": sklearn.log_loss(label, score, labels=[0, 1]),
        "f1": sklearn.f1_score(label, predicted, zero_division=np.nan),
        "precision": np.nan if none_predicted else sklearn.precision_score(label, predicted),
        "sensitivity": sklearn.recall_score(label, predicted) if label.any() else np.nan,
        "specificity": sklearn.recall_score(1 - label, ~predicted) if not label.all() else np.nan,
        "auroc": sklearn.roc_auc_score(label, score) if both else np.nan,
        "average_precision": sklearn.average_precision_score(label, score) if both else np.nan,
        "balanced_accuracy": sklearn.balanced_accuracy_score(label, predicted) if both else np.nan,
    }
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, abs=1e-6, nan_ok=True), name


@pytest.mark.parametrize("case", range(CASES))
def test_calibration_error_equals_torchmetrics(case: int) -> None:
    score, label = example(case)
    score = np.minimum(
        score, 0.999
    )  # torchmetrics gives exactly 1.0 a bin of its own; here it belongs to the last
    for bins in (10, 15):
        theirs = torchmetrics.binary_calibration_error(
            torch.from_numpy(score), torch.from_numpy(label.astype(int)), bins
        )
        assert classification_metrics(score, label, bins=bins)["ece"] == pytest.approx(
            float(theirs), abs=1e-6
        )


def test_calibration_error_equals_its_definition() -> None:
    score, label = np.array([0.05, 0.1, 0.95, 1.0]), np.array([0, 1, 1, 1], np.uint8)
    assert classification_metrics(score, label, bins=2)["ece"] == pytest.approx(
        (abs(0.075 - 0.5) + abs(0.975 - 1)) / 2
    )


def test_bins_are_closed_below_and_the_last_one_above_too() -> None:
    assert bin_index(np.array([0, 0.2499, 0.25, 0.5, 0.75, 1]), 4).tolist() == [0, 0, 1, 2, 3, 3]


def test_a_weight_is_a_count() -> None:
    rng = np.random.default_rng(0)
    label, score = (rng.random(60) < 0.5).astype(np.uint8), np.round(rng.random(60), 1)
    times = rng.integers(0, 4, (5, 60))
    together = RankedScores(score, label).weigh(times.astype(float))
    assert set(together) == set(METRICS)
    for row in range(5):
        repeated = classification_metrics(
            np.repeat(score, times[row]), np.repeat(label, times[row])
        )
        for name, value in repeated.items():
            assert together[name][row] == pytest.approx(value, abs=1e-12), name


def test_the_block_size_does_not_change_the_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    score, label = example(1)
    weight = np.random.default_rng(0).integers(0, 3, (17, len(label))).astype(float)
    whole = RankedScores(score, label).weigh(weight)
    monkeypatch.setattr("pcam.stats.metrics.BLOCK_CELLS", 3 * len(label))
    for name, values in RankedScores(score, label).weigh(weight).items():
        np.testing.assert_allclose(values, whole[name], rtol=1e-12)


def test_only_the_chosen_metrics_are_computed() -> None:
    score, label = example(1)
    found = classification_metrics(score, label, metrics=["ece", "auroc"], means={"loss": score})
    every = classification_metrics(score, label)
    assert found == pytest.approx(
        {"loss": score.mean(), "auroc": every["auroc"], "ece": every["ece"]}
    )


@pytest.mark.parametrize("value", [0, 1])
def test_one_class_only_is_nan_without_a_warning(value: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures = classification_metrics(np.linspace(0.1, 0.9, 9), np.full(9, value, np.uint8))
    undefined = {
        "auroc",
        "average_precision",
        "balanced_accuracy",
        "specificity" if value else "sensitivity",
    }
    assert {name for name, figure in figures.items() if np.isnan(figure)} == undefined
    assert figures["accuracy"] == pytest.approx(5 / 9 if value else 4 / 9)


def test_nothing_predicted_positive_has_no_precision() -> None:
    figures = classification_metrics(np.linspace(0, 0.4, 9), np.arange(9).astype(np.uint8) % 2)
    assert [name for name, figure in figures.items() if np.isnan(figure)] == ["precision"]
    assert figures["f1"] == 0


def test_scores_that_are_not_probabilities_have_no_calibration() -> None:
    score, label = example(0)
    figures = classification_metrics(10 * score - 3, label, threshold=2)
    assert figures["auroc"] == pytest.approx(classification_metrics(score, label)["auroc"])
    assert figures["accuracy"] == pytest.approx(classification_metrics(score, label)["accuracy"])
    assert all(np.isnan(figures[name]) for name in ("brier", "nll", "ece"))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_score_that_is_not_finite_leaves_no_metric(bad: float) -> None:
    score, label = example(0)
    score[3] = bad
    figures = classification_metrics(score, label, means={"loss": np.ones(len(label))})
    assert figures.pop("loss") == 1
    assert np.isnan(list(figures.values())).all()


def test_an_unknown_threshold_leaves_only_metrics_without_one() -> None:
    score, label = example(0)
    figures = classification_metrics(score, label, threshold=np.nan)
    assert np.isnan(figures["accuracy"])
    assert figures["auroc"] == classification_metrics(score, label)["auroc"]


def test_hard_labels_give_balanced_accuracy_as_auroc() -> None:
    rng = np.random.default_rng(1)
    label = (rng.random(500) < 0.3).astype(np.uint8)
    hard = np.where(rng.random(500) < 0.8, label, 1 - label).astype(float)
    figures = classification_metrics(hard, label)
    assert figures["auroc"] == pytest.approx(figures["balanced_accuracy"], abs=1e-12)
    assert figures["auroc"] == pytest.approx(
        (figures["sensitivity"] + figures["specificity"]) / 2, abs=1e-12
    )


def test_wrong_lengths_and_unknown_metrics_are_errors() -> None:
    score, label = example(0)
    with pytest.raises(ValueError, match="different lengths"):
        RankedScores(score[1:], label)
    with pytest.raises(ValueError, match="unknown metrics: recall"):
        RankedScores(score, label, metrics=["recall"])
    with pytest.raises(ValueError, match="no patches"):
        RankedScores(score[:0], label[:0])
