"""Bootstrap intervals of every figure at once, over patches or over whole slides.

The interval is the bootstrap's standard error (Efron & Tibshirani 1993, chapter 6) on the figure's logit, or its logarithm
where it has no upper bound, times Student's t. Its degrees of freedom come from the effective number of units (Kish 1965):
a few slides that hold most of the tumour are few, however many patches they have. Plain percentiles and BCa hold the truth
too seldom with 30 to 100 slides, ``tests/stats/test_coverage.py`` measures it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pcam.stats.metrics import BINS, CELLS, METRICS, Floats, Labels, Scored

RESAMPLES = 2000
METHOD = "bootstrap standard error on the logit scale, Student's t by the effective number drawn"
OF_ALL = frozenset(
    {"accuracy", "brier", "nll", "ece"}
)  # as means over all patches, whichever their class
LOGARITHMIC = frozenset({"nll"})  # no upper bound
BIASED = frozenset({"ece"})  # larger in a sample than in truth, and larger still in a resample

Interval = dict[str, float]
Scale = Literal["logit", "log", "biased"]


def bootstrap_metrics(
    probability: Floats,
    label: Labels,
    groups: Sequence[str] | None = None,
    *,
    metrics: Collection[str] = METRICS,
    threshold: float = 0.5,
    bins: int = BINS,
    means: Mapping[str, Floats] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Compute every figure with its interval.

    Patches of one slide resemble each other, so where slides are known whole slides are drawn: an interval over patches
    would be too narrow.

    Args:
        probability: (N,), of the positive class.
        label: (N,), 0 or 1.
        groups: N slide names, or None to draw patches.
        metrics: which of ``METRICS``.
        threshold: a patch is called positive from this probability on; chosen on another split.
        bins: of the expected calibration error.
        means: values of each patch (N,), not negative, whose mean is a further figure ("loss").
        resamples: how many.
        seed: of the draws.
        level: how often the interval is to hold the truth.

    Returns:
        Figure to {"value", "low", "high"}; NaN where it is not defined, limits NaN where one slide alone is drawn from.
        The expected calibration error of a sample is larger than the truth. Its interval allows for that, as far as the
        resamples show it (Efron & Tibshirani 1993, chapter 10), yet is still too high for a network that is all but
        perfectly calibrated.

    Raises:
        ValueError: no patches, lengths that differ, or a figure that is not known.
    """
    scored = Scored(probability, label, threshold, bins, metrics, means)
    units = units_of(groups, len(label))
    drawn = joined(scored.weigh(weight) for weight in resampled(units, resamples, seed))
    count = effective(label, units, np.asarray(probability) >= threshold)
    result = {}
    for name, value in scored.weigh(np.ones((1, len(label)))).items():
        scale: Scale = (
            "log"
            if name in LOGARITHMIC or name in scored.means
            else "biased"
            if name in BIASED
            else "logit"
        )
        low, high = limits(float(value[0]), drawn[name], count_for(name, count), level, scale)
        result[name] = {"value": float(value[0]), "low": low, "high": high}
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
    """Compute the mean of what was measured on each patch, with its interval.

    Args:
        values: (N,); patches whose value is NaN are left out.
        groups: N slide names, or None to draw patches.
        bounded: the values are shares, from 0 to 1, and so is the interval.
        resamples: how many.
        seed: of the draws.
        level: how often the interval is to hold the truth.

    Returns:
        {"value", "low", "high", "patches"}; NaN without any value, limits NaN where one slide or patch alone has one.
    """
    known = np.flatnonzero(~np.isnan(values))
    if not len(known):
        return {"value": float("nan"), "low": float("nan"), "high": float("nan"), "patches": 0}
    values = np.asarray(values, np.float64)[known]
    units = units_of(None if groups is None else [groups[int(i)] for i in known], len(values))
    drawn = np.concatenate(
        [weight @ values / weight.sum(1) for weight in resampled(units, resamples, seed)]
    )
    mean, count = float(values.mean()), effective(np.ones(len(values), np.uint8), units)["all"]
    if bounded:
        low, high = limits(mean, drawn, count, level)
    else:
        error, t = spread(drawn, count, level)
        low, high = mean - t * error, mean + t * error
    return {"value": mean, "low": low, "high": high, "patches": len(values)}


def unit(groups: Sequence[str] | None) -> str:
    """Return what a resample draws: "slides" where they are known, else "patches"."""
    return "patches" if groups is None else "slides"


def units_of(groups: Sequence[str] | None, size: int) -> NDArray[np.int64]:
    """Return (N,), the number of the unit that is drawn with each patch: its slide, or itself.

    Raises:
        ValueError: not one slide name per patch.
    """
    if groups is None:
        return np.arange(size)
    if len(groups) != size:
        raise ValueError(f"{len(groups)} slide names for {size} patches")
    return np.unique(np.asarray(groups), return_inverse=True)[1].astype(np.int64)


def resampled(units: NDArray[np.int64], resamples: int, seed: int) -> Iterator[Floats]:
    """Yield weights (r, N), a few resamples at a time: how often each patch is drawn.

    What is drawn depends on the number of units and the seed alone, so two networks' resamples are the same.
    """
    count = int(units.max()) + 1
    rng = np.random.default_rng(seed)
    step = max(1, CELLS // len(units))
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        picks = rng.integers(count, size=(size, count)) + np.arange(size)[:, None] * count
        times = (
            np.bincount(picks.ravel(), minlength=size * count)
            .reshape(size, count)
            .astype(np.float64)
        )
        yield (
            times if count == len(units) and (units == np.arange(count)).all() else times[:, units]
        )


def joined(parts: Iterator[dict[str, Floats]]) -> dict[str, Floats]:
    """Join figures of a few resamples each, along the first axis."""
    every = list(parts)
    return {name: np.concatenate([part[name] for part in every]) for name in every[0]}


def effective(
    label: Labels, units: NDArray[np.int64], called: NDArray[np.bool_] | None = None
) -> dict[str, float]:
    """Return the effective number of units that bear positives, negatives, patches, and patches that are called positive.

    (Σ n)² / Σ n² over the units' counts n: their number if they are equally large, fewer if not; 0 without any.
    """
    found = {}
    sets = {"positive": label == 1, "negative": label == 0, "all": np.ones(len(label), bool)}
    for name, chosen in (sets if called is None else {**sets, "called": called}).items():
        n = np.bincount(units[chosen], minlength=1).astype(np.float64)
        found[name] = float(n.sum() ** 2 / (n**2).sum()) if n.any() else 0.0
    return found


def count_for(figure: str, count: Mapping[str, float]) -> float:
    """Return the effective number of units behind a figure: of the class it is a share of, or of the rarer one."""
    if figure in OF_ALL or figure not in METRICS:
        return count["all"]
    sided = {"sensitivity": "positive", "specificity": "negative"}
    if figure in sided:
        return count[sided[figure]]
    rarer = min(count["positive"], count["negative"]) or count["all"]
    return min(rarer, count.get("called", rarer)) if figure == "precision" else rarer


def limits(
    value: float, drawn: Floats, count: float, level: float, scale: Scale = "logit"
) -> tuple[float, float]:
    """Compute an interval from a figure and its resamples.

    Args:
        value: the figure, in [0, 1], or from 0 up on the scale "log".
        drawn: (R,), its resamples; NaN where it is not defined.
        count: effective number of units.
        level: how often the interval is to hold the truth.
        scale: on which the standard error is laid off: "logit", "log", or "biased": as it is, around the figure less its
            bias, though reaching up to the figure at least.

    Returns:
        Low and high; NaN if the figure is not defined, if fewer than two units bear it, or fewer than half of the resamples
        have it. At exactly 0 or 1, where resamples say nothing, the score interval of that share of ``count`` units
        (Wilson 1927).
    """
    error, t = spread(drawn, count, level)
    if np.isnan(value) or np.isnan(error) or (scale == "log" and value <= 0):
        return float("nan"), float("nan")
    if scale == "biased":
        middle = 2 * value - float(np.nanmean(drawn))
        return max(0.0, middle - t * error), min(1.0, max(value, middle + t * error))
    with np.errstate(over="ignore"):
        if scale == "log":
            factor = np.exp(t * error / value)
            return float(value / factor), float(value * factor)
        if not 0 < value < 1:
            return wilson(value, count, t)
        reach, odds = np.exp(t * error / (value * (1 - value))), value / (1 - value)
        return float(odds / (odds + reach)), float(odds / (odds + 1 / reach))


def spread(drawn: Floats, count: float, level: float) -> tuple[float, float]:
    """Return the standard error of a figure and the quantile of Student's t that goes with it."""
    known = drawn[~np.isnan(drawn)]
    if count < 1 + 1e-9 or len(known) < max(2, len(drawn) / 2):
        return float("nan"), float("nan")
    # resampling draws from the sample's own spread, which is too small by (count - 1) / count
    return float(known.std(ddof=1) * np.sqrt(count / (count - 1))), float(
        stats.t.ppf((1 + level) / 2, count - 1)
    )


def percentiles(drawn: Floats, count: float, level: float) -> tuple[Floats, Floats]:
    """Return pointwise limits of curves (R, G) by percentiles, widened for few units (Hesterberg 2015, section 4.2).

    They stay between 0 and 1 and follow a curve to its ends, where the logit cannot.
    """
    nothing = np.full(drawn.shape[1], np.nan)
    drawn = drawn[~np.isnan(drawn).any(1)]
    if count < 1 + 1e-9 or not len(drawn):
        return nothing, nothing
    tail = stats.norm.cdf(np.sqrt(count / (count - 1)) * stats.t.ppf((1 - level) / 2, count - 1))
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    return low, high


def wilson(share: float, count: float, z: float) -> tuple[float, float]:
    """Return the score interval (Wilson 1927) of a share of ``count`` units, ``z`` standard errors to each side."""
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    reach = (
        z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    )
    return max(0.0, float(middle - reach)), min(1.0, float(middle + reach))
