"""Curves with confidence bands: ROC, precision-recall and reliability."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pcam.stats.formulas import bin_index
from pcam.stats.intervals import RESAMPLES, interval_limits, percentile_band, wilson_interval
from pcam.stats.metrics import BINS, Floats, Labels, RankedScores
from pcam.stats.resampling import effective_units, resample_weights, unit_numbers

GRID = 101  # points of a curve
ROUNDING = 1e-9  # tolerance of counts that are whole numbers
CURVES = ("roc", "precision_recall")


class Curve(NamedTuple):
    """A curve on a fixed grid, (G,) each, with its pointwise band."""

    x: Floats
    y: Floats
    low: Floats
    high: Floats


class Reliability(NamedTuple):
    """A reliability diagram: equal-width bins of [0, 1], (bins,) each; NaN in empty bins.

    Attributes:
        centre: Of the bin.
        probability: Mean probability of the bin's patches.
        observed: Their share of positives.
        low: Of that share.
        high: Of that share.
        patches: Their number.
    """

    centre: Floats
    probability: Floats
    observed: Floats
    low: Floats
    high: Floats
    patches: NDArray[np.int64]


def operating_curves(
    score: Floats,
    label: Labels,
    groups: Sequence[str] | None = None,
    *,
    grid: int = GRID,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Curve]:
    """Compute the ROC and the precision-recall curve with bands.

    The bands come from the same resamples as ``bootstrap_metrics``. The ROC curve is linear between
    thresholds (over ties too). The precision-recall curve gives at each recall the precision of the
    highest threshold that reaches it: the steps whose area is the average precision.

    Args:
        score: (N,), probabilities of the positive class, or log-odds: the order alone counts.
        label: (N,), 0 or 1.
        groups: N slide names, or None to draw patches.
        grid: Number of points, from 0 to 1.
        resamples: Number of resamples.
        seed: Seed of the draws.
        level: Confidence level, at each point separately.

    Returns:
        "roc": sensitivity over 1 - specificity; "precision_recall": precision over recall, at 0
        that of the first positive. NaN with one class only or scores that are NaN.

    Raises:
        ValueError: no patches, or different lengths.
    """
    scores = RankedScores(score, label, metrics=(), log_odds=True)
    units = unit_numbers(groups, len(label))
    x = np.linspace(0, 1, grid)
    counts = effective_units(label, units)
    count = min(counts["positive"], counts["negative"])
    if not scores.finite or not count:
        undefined = np.full(grid, np.nan)
        return {name: Curve(x, undefined, undefined, undefined) for name in CURVES}
    observed = _curves_on_grid(scores, np.ones((1, len(label))), x)
    weights = resample_weights(units, resamples, seed)
    resampled = np.concatenate([_curves_on_grid(scores, block, x) for block in weights], axis=1)
    result = {}
    for index, name in enumerate(CURVES):
        low, high = percentile_band(resampled[index], count, level)
        result[name] = Curve(x, observed[index, 0], low, high)
    return result


def _curves_on_grid(scores: RankedScores, weights: Floats, x: Floats) -> Floats:
    """Return the curves of R weightings at G points.

    Returns:
        (2, R, G): sensitivity at each 1 - specificity, precision at each recall; NaN in rows with
        one class only.
    """
    curves = np.full((len(CURVES), len(weights), len(x)), np.nan)
    row = 0
    for block in scores.sorted_blocks(weights):
        true_positives, false_positives = scores.cumulative_counts(block)
        for tp, fp in zip(true_positives, false_positives, strict=True):
            if tp[-1] > 0 and fp[-1] > 0:
                curves[0, row] = _sensitivity(tp, fp, x)
                curves[1, row] = _precision(tp, fp, x)
            row += 1
    return curves


def _sensitivity(tp: Floats, fp: Floats, x: Floats) -> Floats:
    """Interpolate the sensitivity at false positive rates ``x`` from cumulative counts (L,)."""
    tp, fp = np.append(0.0, tp), np.append(0.0, fp)
    wanted = x * fp[-1]
    after = np.searchsorted(fp, wanted + ROUNDING, side="right")
    left = after - 1
    right = np.minimum(after, len(fp) - 1)
    step = fp[right] - fp[left]
    safe_step = np.where(step > 0, step, 1)
    fraction = np.where(step > 0, (wanted - fp[left]) / safe_step, 0)
    return np.asarray((tp[left] + fraction * (tp[right] - tp[left])) / tp[-1])


def _precision(tp: Floats, fp: Floats, x: Floats) -> Floats:
    """Return the precision of the highest threshold that reaches each recall ``x``."""
    wanted = np.maximum(x * tp[-1] - ROUNDING, ROUNDING)
    index = np.searchsorted(tp, wanted, side="left")
    return np.asarray(tp[index] / (tp[index] + fp[index]))


def reliability(
    probability: Floats,
    label: Labels,
    groups: Sequence[str] | None = None,
    *,
    bins: int = BINS,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> Reliability:
    """Compute a reliability diagram: the share of positives among patches of similar probability.

    The interval of the share is Wilson's (1927) over patches. With slides it comes from resamples
    of whole slides, like those of all other metrics.

    Args:
        probability: (N,), in [0, 1].
        label: (N,), 0 or 1.
        groups: N slide names, or None.
        bins: Number of equal-width bins, as of the expected calibration error.
        resamples: Number of resamples, with slides.
        seed: Seed of the draws.
        level: Confidence level of each bin.

    Returns:
        The diagram's numbers; low and high are NaN in a bin whose patches are of one slide.

    Raises:
        ValueError: no patches, different lengths, or scores outside [0, 1].
    """
    probability = np.asarray(probability, np.float64)
    if not len(label) or probability.shape != (len(label),):
        raise ValueError("no patches, or scores and labels of different lengths")
    if not ((probability >= 0) & (probability <= 1)).all():
        raise ValueError("a reliability diagram needs probabilities, from 0 to 1")
    bin_number = bin_index(probability, bins)
    positive = np.asarray(label) == 1
    patches = np.bincount(bin_number, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(bin_number, probability, bins) / patches
        observed = np.bincount(bin_number, positive, bins) / patches

    if groups is None:
        low, high = _wilson_band(observed, patches, level)
    else:
        units = unit_numbers(groups, len(label))
        resampled = _resampled_shares(bin_number, positive, units, bins, resamples, seed)
        low, high = _slide_band(observed, resampled, bin_number, units, level)
    centre = (np.arange(bins) + 0.5) / bins
    return Reliability(centre, mean, observed, low, high, patches)


def _wilson_band(
    observed: Floats, patches: NDArray[np.int64], level: float
) -> tuple[Floats, Floats]:
    """Return low and high of each bin's share over patches, (bins,) each; NaN if empty."""
    low, high = np.full_like(observed, np.nan), np.full_like(observed, np.nan)
    quantile = float(stats.norm.ppf((1 + level) / 2))
    for index in np.flatnonzero(patches):
        low[index], high[index] = wilson_interval(observed[index], patches[index], quantile)
    return low, high


def _slide_band(
    observed: Floats,
    resampled: Floats,
    bin_number: NDArray[np.int64],
    units: NDArray[np.int64],
    level: float,
) -> tuple[Floats, Floats]:
    """Return low and high of each bin's share over slides, (bins,) each; NaN if empty."""
    low, high = np.full_like(observed, np.nan), np.full_like(observed, np.nan)
    for index in np.unique(bin_number):
        inside = units[bin_number == index]
        count = effective_units(np.ones(len(inside), np.uint8), inside)["all"]
        low[index], high[index] = interval_limits(
            observed[index], resampled[:, index], count, level
        )
    return low, high


def _resampled_shares(
    bin_number: NDArray[np.int64],
    positive: NDArray[np.bool_],
    units: NDArray[np.int64],
    bins: int,
    resamples: int,
    seed: int,
) -> Floats:
    """Return the share of positives of each bin in each resample, (R, bins); NaN if empty."""
    member = (bin_number[:, None] == np.arange(bins)).astype(np.float64)
    columns = np.hstack([member, member * positive[:, None]])
    weights = resample_weights(units, resamples, seed)
    sums = np.concatenate([block @ columns for block in weights])
    with np.errstate(invalid="ignore"):
        return np.asarray(sums[:, bins:] / sums[:, :bins])
