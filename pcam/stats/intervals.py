"""Bootstrap intervals of all metrics at once, over patches or over whole slides.

The interval is the bootstrap's standard error (Efron & Tibshirani 1993, chapter 6) on the metric's
logit, or its logarithm where it has no upper bound, times a quantile of Student's t. The degrees of
freedom come from the effective number of units (Kish 1965): a few slides that hold most of the
tumour are few, however many patches they have. With 30 to 100 slides, plain percentiles and BCa
contain the true value too rarely; ``tests/stats/test_coverage.py`` measures this.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

import numpy as np
from scipy import stats

from pcam.stats.metrics import BINS, METRICS, Floats, Labels, RankedScores
from pcam.stats.resampling import (
    concatenate_metrics,
    effective_units,
    effective_units_of_metric,
    resample_weights,
    unit_numbers,
)

RESAMPLES = 2000
METHOD = "bootstrap standard error on the logit scale, Student's t by the effective number drawn"

Interval = dict[str, float]
Scale = Literal["logit", "log", "biased"]
# Metrics whose interval is not symmetric on the logit scale: the NLL has no upper bound; the
# calibration error is larger in a sample than in truth, and larger still in a resample.
SCALES: Mapping[str, Scale] = {"nll": "log", "ece": "biased"}


def bootstrap_metrics(
    score: Floats,
    label: Labels,
    groups: Sequence[str] | None = None,
    *,
    log_odds: bool = False,
    metrics: Collection[str] = METRICS,
    threshold: float | None = None,
    bins: int = BINS,
    means: Mapping[str, Floats] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Compute every metric with its interval.

    Whole slides are drawn where they are known: patches of one slide resemble each other, so an
    interval over patches would be too narrow.

    Args:
        score: (N,), probabilities of the positive class, or their log-odds.
        label: (N,), 0 or 1.
        groups: N slide names, or None to draw patches.
        log_odds: The scores are log-odds.
        metrics: Which of ``METRICS``.
        threshold: A patch is predicted positive from this score on; None: a probability of 0.5.
        bins: Bins of the calibration error.
        means: Values of each patch (N,), not negative, whose mean is a further metric.
        resamples: Number of resamples.
        seed: Of the draws.
        level: Of confidence.

    Returns:
        Metric to {"value", "low", "high"}; NaN where undefined, low and high NaN with one slide.
        A sample's calibration error is larger than the truth; its interval corrects for a part of
        that, as far as resamples show it (Efron & Tibshirani 1993, chapter 10).

    Raises:
        ValueError: no patches, different lengths, or an unknown metric.
    """
    scores = RankedScores(score, label, threshold, bins, metrics, means, log_odds)
    units = unit_numbers(groups, len(label))
    weights = resample_weights(units, resamples, seed)
    resampled = concatenate_metrics(scores.weigh(block) for block in weights)
    counts = effective_units(label, units, np.asarray(score) >= scores.threshold)
    result = {}
    for name, (value,) in scores.weigh(np.ones((1, len(label)))).items():
        count = effective_units_of_metric(name, counts)
        scale = "log" if name in scores.mean_names else SCALES.get(name, "logit")
        low, high = interval_limits(float(value), resampled[name], count, level, scale)
        result[name] = {"value": float(value), "low": low, "high": high}
    return result


def bootstrap_mean(
    values: Floats,
    groups: Sequence[str] | None = None,
    *,
    bounded: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Compute the mean of a value per patch, with its interval.

    Args:
        values: (N,); patches whose value is NaN are left out.
        groups: N slide names, or None to draw patches.
        bounded: The values are shares, from 0 to 1, and so is the interval.
        resamples: Number of resamples.
        seed: Seed of the draws.
        level: Confidence level.

    Returns:
        {"value", "low", "high", "patches"}; NaN without any value. Low and high are NaN if only one
        slide or patch has a value.
    """
    known = np.flatnonzero(~np.isnan(values))
    if not len(known):
        return {"value": np.nan, "low": np.nan, "high": np.nan, "patches": 0}
    values = np.asarray(values, np.float64)[known]
    known_groups = None if groups is None else [groups[int(index)] for index in known]
    units = unit_numbers(known_groups, len(values))
    weights = resample_weights(units, resamples, seed)
    resampled = np.concatenate([block @ values / block.sum(1) for block in weights])
    mean = float(values.mean())
    count = effective_units(np.ones(len(values), np.uint8), units)["all"]
    if bounded:
        low, high = interval_limits(mean, resampled, count, level)
    else:
        error, quantile = standard_error(resampled, count, level)
        low, high = mean - quantile * error, mean + quantile * error
    return {"value": mean, "low": low, "high": high, "patches": len(values)}


def unit(groups: Sequence[str] | None) -> str:
    """Return what a resample draws: "slides" where they are known, else "patches"."""
    return "patches" if groups is None else "slides"


def interval_limits(
    value: float, resampled: Floats, count: float, level: float, scale: Scale = "logit"
) -> tuple[float, float]:
    """Compute an interval from a metric and its resamples.

    Args:
        value: The metric, in [0, 1], or from 0 up on the scale "log".
        resampled: (R,), its value in each resample; NaN where it is not defined.
        count: Effective number of units.
        level: Confidence level.
        scale: Where the interval is symmetric: "logit", "log", or "biased": on the metric's own
            scale, around the metric less its bias, though up to the metric at least.

    Returns:
        Low and high; NaN if the metric is not defined, if it rests on fewer than two units, or if
        fewer than half of the resamples have it. At exactly 0 or 1, where all resamples agree, the
        score interval of that share of ``count`` units (Wilson 1927).
    """
    error, quantile = standard_error(resampled, count, level)
    if np.isnan(value) or np.isnan(error) or (scale == "log" and value <= 0):
        return np.nan, np.nan
    reach = quantile * error
    if scale == "biased":
        centre = 2 * value - float(np.nanmean(resampled))
        return max(0.0, centre - reach), min(1.0, max(value, centre + reach))
    if scale == "log":
        with np.errstate(over="ignore"):
            factor = np.exp(reach / value)
            return float(value / factor), float(value * factor)
    if not 0 < value < 1:
        return wilson_interval(value, count, quantile)
    odds = value / (1 - value)
    with np.errstate(over="ignore"):
        factor = np.exp(reach / (value * (1 - value)))
        return float(odds / (odds + factor)), float(odds / (odds + 1 / factor))


def standard_error(resampled: Floats, count: float, level: float) -> tuple[float, float]:
    """Return a metric's standard error and the quantile of Student's t that goes with it.

    Args:
        resampled: (R,), the metric in each resample; NaN where it is not defined.
        count: Effective number of units.
        level: Confidence level.

    Returns:
        Two NaN for fewer than two units, or if fewer than half of the resamples have the metric.
    """
    known = resampled[~np.isnan(resampled)]
    if count < 1 + 1e-9 or len(known) < max(2, len(resampled) / 2):
        return np.nan, np.nan
    # Resampling draws from the sample's own variance, which is too small by (count - 1) / count.
    error = float(known.std(ddof=1) * np.sqrt(count / (count - 1)))
    return error, float(stats.t.ppf((1 + level) / 2, count - 1))


def percentile_band(resampled: Floats, count: float, level: float) -> tuple[Floats, Floats]:
    """Return a curve's pointwise limits by percentiles, widened for few units.

    The widening is that of Hesterberg (2015, section 4.2). The limits stay between 0 and 1 and
    follow a curve to its ends, where the logit is infinite.

    Args:
        resampled: (R, G), the curve in each resample; rows with NaN are left out.
        count: Effective number of units.
        level: Confidence level at each point.

    Returns:
        Low and high, (G,) each; NaN for fewer than two units.
    """
    unknown = np.full(resampled.shape[1], np.nan)
    known = resampled[~np.isnan(resampled).any(1)]
    if count < 1 + 1e-9 or not len(known):
        return unknown, unknown
    quantile = stats.t.ppf((1 - level) / 2, count - 1)
    tail = stats.norm.cdf(np.sqrt(count / (count - 1)) * quantile)
    low, high = np.quantile(known, [tail, 1 - tail], axis=0)
    return low, high


def wilson_interval(share: float, count: float, quantile: float) -> tuple[float, float]:
    """Return the score interval (Wilson 1927) of a share.

    ``scipy.stats.binomtest`` needs whole counts and a normal quantile. Effective numbers of units
    are not whole, and their quantile is Student's.

    Args:
        share: Observed, 0 to 1.
        count: Number of units, not necessarily whole.
        quantile: Standard errors to each side.
    """
    squared = quantile * quantile
    centre = (share + squared / (2 * count)) / (1 + squared / count)
    variance = share * (1 - share) / count + squared / (4 * count * count)
    reach = quantile / (1 + squared / count) * np.sqrt(variance)
    return max(0.0, float(centre - reach)), min(1.0, float(centre + reach))
