"""Log-odds rank, decide, average and calibrate where probabilities are all 1."""

import numpy as np
import pytest
from scipy.special import expit, logit

from pcam.stats.calibration import fit_temperature
from pcam.stats.compare import delong, paired_difference
from pcam.stats.curves import operating_curves
from pcam.stats.intervals import bootstrap_metrics
from pcam.stats.logodds import log_odds, mean_probability
from pcam.stats.metrics import classification_metrics
from pcam.stats.thresholds import at_sensitivity, youden
from tests.stats.saturated import saturated

AUROC = 13 / 14  # 0.929: one of 14 positives is below the negative
LOGIT, LABEL = saturated()


def test_log_odds_of_probabilities() -> None:
    probability = np.array([0.0, 1e-300, 0.2, 0.5, 1 - 1e-16, 1.0])
    found = log_odds(probability)
    np.testing.assert_allclose(found[1:5], logit(probability[1:5]), rtol=1e-9, atol=1e-15)
    assert found[[0, -1]].tolist() == [-np.inf, np.inf]
    assert (np.diff(found) > 0).all()


def test_the_mean_of_probabilities_equals_its_definition() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (8, 50))
    np.testing.assert_allclose(expit(mean_probability(logits)), expit(logits).mean(0), rtol=1e-12)
    weights = np.linspace(0, 0.25, 8) / np.linspace(0, 0.25, 8).sum()
    np.testing.assert_allclose(
        expit(mean_probability(logits, weights)), weights @ expit(logits), rtol=1e-12
    )


def test_the_mean_of_saturated_probabilities_keeps_their_order() -> None:
    views = LOGIT + np.linspace(0, 20, 8)[:, None]
    assert (expit(views).mean(0) == 1).all()
    assert (np.diff(mean_probability(views)) > 0).all()
    assert (np.diff(mean_probability(-views)) < 0).all()


def test_auroc_and_accuracy_of_saturated_scores() -> None:
    found = classification_metrics(LOGIT, LABEL, log_odds=True)
    assert found["auroc"] == pytest.approx(AUROC)
    assert found["accuracy"] == 14 / 15
    assert found["nll"] == pytest.approx(LOGIT[1] / 15)  # not clipped
    assert classification_metrics(expit(LOGIT), LABEL)["auroc"] == 0.5  # what it would have been


def test_metrics_of_log_odds_are_those_of_their_probabilities() -> None:
    rng = np.random.default_rng(1)
    label = (rng.random(200) < 0.4).astype(np.uint8)
    logits = 2.0 * label - 1 + rng.normal(0, 2, 200)
    one = bootstrap_metrics(logits, label, log_odds=True, resamples=50)
    other = bootstrap_metrics(expit(logits), label, resamples=50)
    for name in other:
        assert one[name] == pytest.approx(other[name], abs=1e-12), name


def test_intervals_and_differences_resample_the_order() -> None:
    found = bootstrap_metrics(LOGIT, LABEL, log_odds=True, resamples=200)["auroc"]
    assert found["value"] == pytest.approx(AUROC)
    better = np.where(LABEL == 1, LOGIT + 9, LOGIT)
    difference = paired_difference(better, LOGIT, LABEL, log_odds=True, resamples=200)
    assert difference["auroc"]["value"] == pytest.approx(1 - AUROC)
    label = LABEL.copy()
    label[3] = 0
    assert delong(better, LOGIT, label)["second"] == pytest.approx((13 * 2 - 1 - 2) / 26)


def test_infinite_log_odds_of_a_csv_are_ranked() -> None:
    scores = np.array([-np.inf, 0.0, np.inf, np.inf])
    label = np.array([0, 1, 0, 1], np.uint8)
    assert classification_metrics(scores, label, log_odds=True)["auroc"] == 0.625
    assert delong(scores, scores, label)["first"] == 0.625


def test_curves_and_thresholds_of_saturated_scores() -> None:
    roc = operating_curves(LOGIT, LABEL, resamples=50)["roc"]
    assert roc.y[0] == pytest.approx(AUROC)
    assert youden(LOGIT, LABEL) == LOGIT[2]
    assert at_sensitivity(LOGIT, LABEL, 0.5) == LOGIT[8]
    found = classification_metrics(LOGIT, LABEL, youden(LOGIT, LABEL), log_odds=True)
    assert (found["sensitivity"], found["specificity"]) == (AUROC, 1)


def test_the_temperature_of_saturated_scores() -> None:
    logits = np.concatenate([LOGIT, -LOGIT])
    label = np.concatenate([LABEL, 1 - LABEL]).astype(np.uint8)
    found = fit_temperature(logits, label)
    assert expit(98 / found.value) == pytest.approx(14 / 15, abs=0.01)
    assert found.note == ""
    scaled = classification_metrics(logits / found.value, label, log_odds=True)
    assert scaled["auroc"] == classification_metrics(logits, label, log_odds=True)["auroc"]
