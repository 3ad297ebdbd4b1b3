import numpy as np
import pytest
from sklearn.metrics import roc_curve

from pcam.stats.metrics import classification_metrics
from pcam.stats.thresholds import at_sensitivity, youden


@pytest.mark.parametrize("case", range(20))
def test_youden_is_the_best_of_all_thresholds(case: int) -> None:
    rng = np.random.default_rng(case)
    label = (rng.random(150) < 0.3).astype(np.uint8)
    score = np.round(0.3 * label + 0.7 * rng.random(150), 1 + case % 3)
    fpr, tpr, thresholds = roc_curve(label, score, drop_intermediate=False)
    found = youden(score, label)
    figures = classification_metrics(score, label, found)
    assert figures["sensitivity"] + figures["specificity"] - 1 == pytest.approx((tpr - fpr).max())
    assert found == pytest.approx(max(thresholds[np.isclose(tpr - fpr, (tpr - fpr).max())]))


@pytest.mark.parametrize("wanted", [0.01, 0.5, 0.7, 0.9, 0.95, 1.0])
@pytest.mark.parametrize("digits", [1, 6])
def test_the_largest_threshold_with_the_sensitivity_is_found(wanted: float, digits: int) -> None:
    rng = np.random.default_rng(0)
    label = (rng.random(331) < 0.4).astype(np.uint8)
    score = np.round(rng.random(331), digits)
    found = at_sensitivity(score, label, wanted)
    assert classification_metrics(score, label, found)["sensitivity"] >= wanted
    higher = np.unique(score)[np.unique(score) > found]
    if len(higher):
        assert classification_metrics(score, label, higher[0])["sensitivity"] < wanted


def test_whole_counts_are_not_changed_by_rounding() -> None:
    assert 0.07 * 100 > 7  # in floating point
    assert at_sensitivity(np.arange(100.0), np.ones(100, np.uint8), 0.07) == 93


def test_an_undefined_threshold_is_nan() -> None:
    score = np.linspace(0, 1, 5)
    assert np.isnan(youden(score, np.ones(5, np.uint8)))
    assert np.isnan(youden(score, np.zeros(5, np.uint8)))
    assert np.isnan(at_sensitivity(score, np.zeros(5, np.uint8), 0.9))
    assert np.isnan(at_sensitivity(np.array([np.nan, 1]), np.array([0, 1], np.uint8), 0.9))


@pytest.mark.parametrize("wanted", [0, -0.5, 1.01, float("nan")])
def test_a_sensitivity_out_of_range_is_an_error(wanted: float) -> None:
    with pytest.raises(ValueError, match="sensitivity"):
        at_sensitivity(np.array([0.1, 0.9]), np.array([0, 1], np.uint8), wanted)
