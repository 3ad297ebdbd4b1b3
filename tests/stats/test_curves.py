import warnings

import numpy as np
import pytest
from sklearn import metrics as sklearn
from sklearn.calibration import calibration_curve

from pcam.stats.curves import operating_curves, reliability
from pcam.stats.metrics import classification_metrics


def sample(
    size: int = 400, digits: int = 6, slides: int = 20
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    rng = np.random.default_rng(4)
    label = rng.integers(0, 2, size).astype(np.uint8)
    score = 1 / (1 + np.exp(-rng.normal(size=size) - 2 * label + 1))
    return np.round(score, digits), label, [str(n) for n in rng.integers(0, slides, size)]


@pytest.mark.parametrize("digits", [6, 1])
def test_roc_equals_scikit_learn_at_every_point(digits: int) -> None:
    score, label, _ = sample(digits=digits)
    roc = operating_curves(score, label, resamples=20)["roc"]
    fpr, tpr, _ = sklearn.roc_curve(label, score, drop_intermediate=False)
    for x, y in zip(roc.x, roc.y, strict=True):
        at = np.flatnonzero(np.isclose(fpr, x, atol=1e-12))
        assert y == pytest.approx(tpr[at[-1]] if len(at) else np.interp(x, fpr, tpr), abs=1e-9)


@pytest.mark.parametrize("digits", [6, 1])
def test_precision_is_that_of_the_highest_threshold_that_reaches_the_recall(digits: int) -> None:
    score, label, _ = sample(digits=digits)
    curve = operating_curves(score, label, resamples=20)["precision_recall"]
    precision, recall, thresholds = sklearn.precision_recall_curve(label, score)
    for x, y in zip(curve.x[1:], curve.y[1:], strict=True):
        reaching = np.flatnonzero(recall[:-1] >= x - 1e-12)
        assert y == pytest.approx(precision[reaching[np.argmax(thresholds[reaching])]])


def test_areas_equal_the_metrics() -> None:
    score, label, _ = sample()
    figures = classification_metrics(score, label)
    curves = operating_curves(score, label, grid=20001, resamples=2)
    assert np.trapezoid(curves["roc"].y, curves["roc"].x) == pytest.approx(
        figures["auroc"], abs=1e-3
    )
    assert curves["precision_recall"].y[1:].mean() == pytest.approx(
        figures["average_precision"], abs=1e-3
    )


def test_bands_surround_the_curve_and_are_wider_over_slides() -> None:
    score, label, _ = sample()
    slides = [str(n) for n in np.argsort(np.argsort(score)) // 20]  # patches of a slide are similar
    narrow, wide = (
        operating_curves(score, label, groups, resamples=200, grid=21) for groups in (None, slides)
    )
    for name in narrow:
        inner = slice(3, -3)
        assert (narrow[name].low <= narrow[name].y).all()
        assert (narrow[name].y <= narrow[name].high).all()
        assert (wide[name].high - wide[name].low)[inner].mean() > 1.5 * (
            narrow[name].high - narrow[name].low
        )[inner].mean()
    assert narrow["roc"].low[-1] == narrow["roc"].high[-1] == 1


def test_band_is_as_wide_as_the_interval_of_the_sensitivity() -> None:
    rng = np.random.default_rng(0)
    label = np.repeat([0, 1], [3000, 300]).astype(np.uint8)
    roc = operating_curves(rng.normal(size=3300) + label, label, grid=11, resamples=500)["roc"]
    error = np.sqrt(roc.y[3] * (1 - roc.y[3]) / 300)
    assert roc.high[3] - roc.low[3] == pytest.approx(2 * 1.96 * error, rel=0.25)


@pytest.mark.parametrize("value", [0, 1])
def test_one_class_only_has_no_curve_and_no_warning(value: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        curves = operating_curves(np.linspace(0, 1, 9), np.full(9, value, np.uint8), resamples=5)
    assert np.isnan([curves[name].y for name in curves]).all()


def test_resamples_without_a_class_are_left_out() -> None:
    score, label = np.linspace(0, 1, 12), np.array([0] * 9 + [1] * 3, np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        curves = operating_curves(score, label, resamples=200)
    assert np.isfinite(curves["roc"].low).all()


@pytest.mark.parametrize("over", ["patches", "slides"])
def test_reliability_equals_scikit_learn(over: str) -> None:
    score, label, slides = sample()
    found = reliability(score, label, slides if over == "slides" else None, bins=10, resamples=300)
    observed, mean = calibration_curve(label, score, n_bins=10)
    full = found.patches > 0
    np.testing.assert_allclose(found.observed[full], observed)
    np.testing.assert_allclose(found.probability[full], mean)
    assert found.patches.sum() == len(label)
    assert ((found.low <= found.observed) & (found.observed <= found.high))[full].all()
    gap = np.abs(found.observed - found.probability)[full] * found.patches[full]
    assert gap.sum() / len(label) == pytest.approx(
        classification_metrics(score, label, bins=10)["ece"]
    )


def test_wilson_interval_and_an_empty_bin() -> None:
    found = reliability(np.full(20, 0.25), np.array([1] * 5 + [0] * 15, np.uint8), bins=2)
    assert (found.low[0], found.high[0]) == pytest.approx((0.11186, 0.46870), abs=1e-5)
    assert found.patches.tolist() == [20, 0]
    assert np.isnan([found.observed[1], found.probability[1], found.low[1]]).all()
    assert found.centre.tolist() == [0.25, 0.75]


def test_reliability_needs_probabilities() -> None:
    for bad in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="from 0 to 1"):
            reliability(np.array([0.5, bad]), np.array([0, 1], np.uint8))
