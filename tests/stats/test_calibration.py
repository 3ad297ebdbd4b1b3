import warnings

import numpy as np
import pytest
from scipy.special import expit

from pcam.stats.calibration import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    fit_temperature,
)
from pcam.stats.logodds import log_odds
from pcam.stats.metrics import classification_metrics


def sample(size: int = 20000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    logits = 2 * rng.normal(size=size)
    return logits, (rng.random(size) < expit(logits)).astype(np.uint8)


@pytest.mark.parametrize("true", [0.4, 1.0, 2.5])
def test_the_true_temperature_is_found(true: float) -> None:
    logits, label = sample()
    found = fit_temperature(logits * true, label)
    assert found.value == pytest.approx(true, rel=0.05)
    assert found.note == ""
    assert found.after <= found.before
    assert found.after == pytest.approx(
        classification_metrics(logits * true / found.value, label, log_odds=True)["nll"]
    )


def test_no_other_temperature_is_better() -> None:
    logits, label = sample(500)
    found = fit_temperature(3 * logits, label)
    for factor in (0.99, 1.01):
        assert (
            np.logaddexp(0, -(2.0 * label - 1) * 3 * logits / (found.value * factor)).mean()
            > found.after
        )


def test_probabilities_and_logits_give_the_same_temperature() -> None:
    logits, label = sample(500)
    assert fit_temperature(log_odds(expit(logits)), label).value == pytest.approx(
        fit_temperature(logits, label).value, rel=1e-6
    )


def test_calibration_reduces_the_error_and_keeps_the_order() -> None:
    logits, label = sample()
    after = 3 * logits / fit_temperature(3 * logits, label).value
    one = classification_metrics(3 * logits, label, log_odds=True)
    other = classification_metrics(after, label, log_odds=True)
    assert other["auroc"] == pytest.approx(one["auroc"], abs=1e-9)
    assert other["accuracy"] == one["accuracy"]
    assert other["ece"] < one["ece"] / 5
    assert other["brier"] < one["brier"]


def test_degenerate_cases_are_bounded_with_a_note() -> None:
    label = np.array([0, 1, 0, 1], np.uint8)
    right = np.array([-1.0, 2.0, -0.5, 3.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        separable, worthless = fit_temperature(right, label), fit_temperature(-right, label)
        one_class, flat = (
            fit_temperature(right, np.ones(4, np.uint8)),
            fit_temperature(np.zeros(4), label),
        )
        extreme = fit_temperature(np.array([-97.0, 98.0, 99.0, -100.0]), label)
    assert separable.value == pytest.approx(MIN_TEMPERATURE)
    assert "lower bound" in separable.note
    assert worthless.value == pytest.approx(MAX_TEMPERATURE)
    assert "upper bound" in worthless.note
    assert (one_class.value, flat.value) == (1, 1)
    assert "one class" in one_class.note
    assert "every logit is 0" in flat.note
    assert "upper bound" in extreme.note


def test_logits_that_are_not_finite_are_an_error() -> None:
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="not finite"):
            fit_temperature(np.array([0.5, bad]), np.array([0, 1], np.uint8))
