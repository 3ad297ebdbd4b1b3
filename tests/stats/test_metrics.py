import warnings

import numpy as np
import pytest
import torch
from torchmetrics.functional import classification as reference

from pcam.stats.intervals import bootstrap_metrics
from pcam.stats.metrics import classification_metrics, weighted_metrics

REFERENCE = {
    "accuracy": reference.binary_accuracy,
    "auroc": reference.binary_auroc,
    "average_precision": reference.binary_average_precision,
    "f1": reference.binary_f1_score,
    "precision": reference.binary_precision,
    "sensitivity": reference.binary_recall,
    "specificity": reference.binary_specificity,
}


@pytest.mark.parametrize("case", range(100))
def test_figures_equal_torchmetrics_with_and_without_ties(case: int) -> None:
    rng = np.random.default_rng(case)
    size = int(rng.integers(20, 300))
    label = (rng.random(size) < rng.uniform(0.2, 0.8)).astype(np.uint8)
    label[:2] = 0, 1
    score = np.clip(0.5 + 0.2 * (label - 0.5) + 0.25 * rng.normal(size=size), 0, 1)
    if case % 2:
        score = np.round(score * 8) / 8
        score[score == 0.5] = 0.51  # torchmetrics calls only what lies above the threshold positive
    ours = classification_metrics(score, label)
    for name, figure in REFERENCE.items():
        theirs = float(figure(torch.from_numpy(score), torch.from_numpy(label.astype(np.int64))))
        assert ours[name] == pytest.approx(theirs, abs=1e-6), name


def test_a_weight_is_a_count() -> None:
    rng = np.random.default_rng(0)
    label, score = (rng.random(60) < 0.5).astype(np.uint8), np.round(rng.random(60), 1)
    times = rng.integers(0, 4, (5, 60))
    together = weighted_metrics(score, label, times.astype(float))
    for row in range(5):
        apart = classification_metrics(np.repeat(score, times[row]), np.repeat(label, times[row]))
        for name, value in apart.items():
            assert together[name][row] == pytest.approx(value, abs=1e-12), name


@pytest.mark.parametrize("value", [0, 1])
def test_one_class_alone_is_not_a_number_and_not_a_crash(value: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures = classification_metrics(np.linspace(0.1, 0.9, 9), np.full(9, value, np.uint8))
    assert np.isnan(figures["auroc"])
    assert np.isnan(figures["average_precision"])
    assert figures["accuracy"] == pytest.approx(5 / 9 if value else 4 / 9)


def test_hard_labels_give_balanced_accuracy_as_auroc() -> None:
    rng = np.random.default_rng(1)
    label = (rng.random(500) < 0.3).astype(np.uint8)
    hard = np.where(rng.random(500) < 0.8, label, 1 - label).astype(float)
    figures = classification_metrics(hard, label)
    assert figures["auroc"] == pytest.approx((figures["sensitivity"] + figures["specificity"]) / 2)


def simulated(rng: np.random.Generator, slides: int, per_slide: int, spread: float) -> tuple[np.ndarray, ...]:
    slide = np.repeat(np.arange(slides), per_slide)
    label = rng.integers(0, 2, len(slide)).astype(np.uint8)
    # a slide shifts how well its positives stand out: patches of one slide are right or wrong together
    logit = rng.normal(size=len(slide)) + label * (1.2 + spread * rng.normal(size=slides)[slide])
    return 1 / (1 + np.exp(-logit)), label, slide


def test_intervals_hold_the_truth_and_slides_matter() -> None:
    truth = classification_metrics(*simulated(np.random.default_rng(99), 4000, 50, 0.8)[:2])["auroc"]
    held = {"patches": 0, "slides": 0}
    for case in range(200):
        score, label, slide = simulated(np.random.default_rng(case), 40, 25, 0.8)
        for over, groups in (("patches", None), ("slides", [str(s) for s in slide])):
            interval = bootstrap_metrics(score, label, np.zeros(len(label)), groups, resamples=200, seed=case)["auroc"]
            held[over] += interval["low"] <= truth <= interval["high"]
    assert 0.89 < held["slides"] / 200 < 0.99  # 95 % nominal; 40 slides and 200 draws leave some play
    assert held["patches"] / 200 < 0.85


def test_intervals_are_repeatable_and_surround_the_value() -> None:
    score, label, _ = simulated(np.random.default_rng(0), 10, 30, 0.0)
    first, second = (bootstrap_metrics(score, label, score, None, seed=3) for _ in range(2))
    assert first == second
    assert all(f["low"] <= f["value"] <= f["high"] for f in first.values())
    assert first["loss"]["value"] == pytest.approx(score.mean())
