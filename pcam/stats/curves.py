"""Curves with bands: ROC, precision-recall and reliability."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pcam.stats.intervals import (
    RESAMPLES,
    effective,
    limits,
    percentiles,
    resampled,
    units_of,
    wilson,
)
from pcam.stats.metrics import BINS, Floats, Labels, Scored, bin_of

GRID = 101  # points of a curve
ROUNDING = 1e-9  # of counts that are whole numbers


class Curve(NamedTuple):
    """A curve on a fixed grid, (G,) each, with its pointwise band."""

    x: Floats
    y: Floats
    low: Floats
    high: Floats


class Reliability(NamedTuple):
    """Equal-width bins of [0, 1], (bins,) each; NaN in bins without patches."""

    centre: Floats
    probability: Floats  # mean of those in the bin
    observed: Floats  # share of positives
    low: Floats
    high: Floats
    patches: NDArray[np.int64]


def operating_curves(
    probability: Floats,
    label: Labels,
    groups: Sequence[str] | None = None,
    *,
    grid: int = GRID,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Curve]:
    """Compute the ROC and the precision-recall curve with bands from the same resamples as ``bootstrap_metrics``.

    The ROC curve is linear between thresholds (over ties too). The precision-recall curve gives at each recall the
    precision of the highest threshold that reaches it: the steps whose area is the average precision.

    Args:
        probability: (N,), of the positive class.
        label: (N,), 0 or 1.
        groups: N slide names, or None to draw patches.
        grid: points, from 0 to 1.
        resamples: how many.
        seed: of the draws.
        level: how often the band is to hold the truth, at each point by itself.

    Returns:
        "roc": sensitivity over 1 - specificity; "precision_recall": precision over recall, at 0 that of the first positive
        found. NaN with one class alone or scores that are not finite.

    Raises:
        ValueError: no patches, or lengths that differ.
    """
    scored = Scored(probability, label, metrics=())
    units = units_of(groups, len(label))
    x = np.linspace(0, 1, grid)
    count = effective(label, units)
    number = min(count["positive"], count["negative"])
    if not scored.valid or not number:
        nothing = np.full(grid, np.nan)
        return {name: Curve(x, nothing, nothing, nothing) for name in ("roc", "precision_recall")}
    point = _on_grid(scored, np.ones((1, len(label))), x)
    drawn = np.concatenate(
        [_on_grid(scored, weight, x) for weight in resampled(units, resamples, seed)], axis=1
    )
    return {
        name: Curve(x, y[0], *percentiles(values, number, level))
        for name, y, values in zip(("roc", "precision_recall"), point, drawn, strict=True)
    }


def _on_grid(scored: Scored, weight: Floats, x: Floats) -> Floats:
    """Return (2, R, G): sensitivity at each 1 - specificity, precision at each recall; NaN rows for one class alone."""
    found = np.full((2, len(weight), len(x)), np.nan)
    row = 0
    for block in scored.sorted(weight):
        for tp, fp in zip(*scored.running(block), strict=True):
            if tp[-1] > 0 and fp[-1] > 0:
                found[:, row] = _sensitivity(tp, fp, x), _precision(tp, fp, x)
            row += 1
    return found


def _sensitivity(tp: Floats, fp: Floats, x: Floats) -> Floats:
    tp, fp = np.append(0.0, tp), np.append(0.0, fp)
    wanted = x * fp[-1]
    right = np.searchsorted(fp, wanted + ROUNDING, side="right")
    left, right = right - 1, np.minimum(right, len(fp) - 1)
    step = fp[right] - fp[left]
    part = np.where(step > 0, (wanted - fp[left]) / np.where(step > 0, step, 1), 0)
    return np.asarray((tp[left] + part * (tp[right] - tp[left])) / tp[-1])


def _precision(tp: Floats, fp: Floats, x: Floats) -> Floats:
    at = np.searchsorted(tp, np.maximum(x * tp[-1] - ROUNDING, ROUNDING), side="left")
    return np.asarray(tp[at] / (tp[at] + fp[at]))


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
    """Compute a reliability diagram: the share of positives among patches of about equal probability.

    The share's interval is Wilson's (1927) over patches; with slides it comes from resamples of whole slides, as all other
    figures' do.

    Args:
        probability: (N,), in [0, 1].
        label: (N,), 0 or 1.
        groups: N slide names, or None.
        bins: equal-width, as those of the expected calibration error.
        resamples: how many, with slides.
        seed: of the draws.
        level: how often a bin's interval is to hold the truth.

    Returns:
        The diagram's numbers; limits are NaN in a bin that one slide alone fills.

    Raises:
        ValueError: no patches, lengths that differ, or scores outside [0, 1].
    """
    probability = np.asarray(probability, np.float64)
    if not len(label) or probability.shape != (len(label),):
        raise ValueError("no patches, or scores and labels of different lengths")
    if not ((probability >= 0) & (probability <= 1)).all():
        raise ValueError("a reliability diagram needs probabilities, from 0 to 1")
    inside = bin_of(probability, bins)
    positive = np.asarray(label) == 1
    count = np.bincount(inside, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(inside, probability, bins) / count
        observed = np.bincount(inside, positive, bins) / count
    band = np.full((2, bins), np.nan)
    filled = np.flatnonzero(count)
    if groups is None:
        z = float(stats.norm.ppf((1 + level) / 2))
        for number in filled:
            band[:, number] = wilson(observed[number], count[number], z)
    else:
        units = units_of(groups, len(label))
        member = (inside[:, None] == np.arange(bins)).astype(np.float64)
        sums = np.concatenate(
            [
                weight @ np.hstack([member, member * positive[:, None]])
                for weight in resampled(units, resamples, seed)
            ]
        )
        with np.errstate(invalid="ignore"):
            drawn = sums[:, bins:] / sums[:, :bins]
        for number in filled:
            here = inside == number
            band[:, number] = limits(
                observed[number],
                drawn[:, number],
                effective(label[here], units[here])["all"],
                level,
            )
    return Reliability((np.arange(bins) + 0.5) / bins, mean, observed, band[0], band[1], count)
