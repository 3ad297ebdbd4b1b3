"""Comparisons of two or more classifiers on the same patches, and of groups of runs."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pcam.stats.intervals import (
    RESAMPLES,
    count_for,
    effective,
    joined,
    resampled,
    spread,
    units_of,
)
from pcam.stats.metrics import BINS, METRICS, Floats, Labels, Scored

EXACT = 25  # discordant patches below which McNemar's test is exact


def paired_difference(
    first: Floats,
    second: Floats,
    label: Labels,
    groups: Sequence[str] | None = None,
    *,
    metrics: Collection[str] = METRICS,
    thresholds: tuple[float, float] = (0.5, 0.5),
    bins: int = BINS,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, dict[str, float]]:
    """Compare two classifiers by the paired bootstrap: both are weighed by the same resamples.

    Each may be several runs, as of several seeds: then their mean figures are compared, over other patches and these runs.

    The difference over its bootstrap standard error is referred to Student's t, with the effective number of units less
    one as degrees of freedom (see ``intervals``), so that p is below 1 - level exactly where the interval leaves out 0.

    Args:
        first: (N,), probabilities of one; or (K, N), of K runs.
        second: (N,), of the other, for the same patches; or (L, N).
        label: (N,), 0 or 1.
        groups: N slide names, or None to draw patches.
        metrics: which of ``METRICS``.
        thresholds: from which each calls a patch positive.
        bins: of the expected calibration error.
        resamples: how many.
        seed: of the draws.
        level: how often the interval is to hold the true difference.

    Returns:
        Figure to {"value", "low", "high", "p"}; value is the first's less the second's, p is two-sided. NaN where a figure
        is not defined or one slide alone is drawn from.

    Raises:
        ValueError: no patches, lengths that differ, or a figure that is not known.
    """
    both = [
        [Scored(row, label, t, bins, metrics) for row in np.atleast_2d(s)]
        for s, t in zip((first, second), thresholds, strict=True)
    ]

    def difference(weight: Floats) -> dict[str, Floats]:
        one, other = ([scored.weigh(weight) for scored in runs] for runs in both)
        return {
            name: np.mean([r[name] for r in one], 0) - np.mean([r[name] for r in other], 0)
            for name in one[0]
        }

    units = units_of(groups, len(label))
    drawn = joined(difference(weight) for weight in resampled(units, resamples, seed))
    count = effective(label, units)
    result = {}
    for name, values in difference(np.ones((1, len(label)))).items():
        value, number = float(values[0]), count_for(name, count)
        error, t = spread(drawn[name], number, level)
        result[name] = _tested(value, error, t, number - 1)
    return result


def _tested(value: float, error: float, quantile: float, freedom: float) -> dict[str, float]:
    """Return a difference's interval and two-sided p by Student's t (normal if ``freedom`` is infinite)."""
    if np.isnan(value) or np.isnan(error):
        return {"value": value, "low": float("nan"), "high": float("nan"), "p": float("nan")}
    ratio = (
        abs(value) / error if error > 0 else np.inf if value else 0.0
    )  # no error: the same in every resample
    p = float(2 * stats.t.sf(ratio, freedom))
    return {
        "value": value,
        "low": value - quantile * error,
        "high": value + quantile * error,
        "p": p,
    }


def delong(first: Floats, second: Floats, label: Labels, level: float = 0.95) -> dict[str, float]:
    """Test the difference of two AUROCs of the same patches (DeLong, DeLong & Clarke-Pearson 1988).

    Each patch's placement among the other class comes from ranks, in O(N log N) (Sun & Xu 2014). Patches count as
    independent: with slides, use ``paired_difference``.

    Args:
        first: (N,), scores of one.
        second: (N,), of the other, for the same patches.
        label: (N,), 0 or 1.
        level: of the interval.

    Returns:
        {"first", "second": the AUROCs, "value": first less second, "low", "high", "p": two-sided}; NaN with fewer than two
        patches of either class or scores that are not finite.

    Raises:
        ValueError: lengths that differ.
    """
    positive = np.asarray(label) == 1
    scores = np.stack([np.asarray(first, np.float64), np.asarray(second, np.float64)])
    if scores.shape[1] != len(positive):
        raise ValueError("scores and labels have different lengths")
    m, n = int(positive.sum()), int((~positive).sum())
    if min(m, n) < 2 or not np.isfinite(scores).all():
        return dict.fromkeys(("first", "second", "value", "low", "high", "p"), float("nan"))
    ranks = stats.rankdata(scores, axis=1)
    above = (
        ranks[:, positive] - stats.rankdata(scores[:, positive], axis=1)
    ) / n  # share of negatives below a positive
    below = (
        1 - (ranks[:, ~positive] - stats.rankdata(scores[:, ~positive], axis=1)) / m
    )  # of positives above a negative
    auroc = above.mean(1)
    contrast = [above[0] - above[1], below[0] - below[1]]
    error = float(np.sqrt(contrast[0].var(ddof=1) / m + contrast[1].var(ddof=1) / n))
    tested = _tested(
        float(auroc[0] - auroc[1]), error, float(stats.norm.ppf((1 + level) / 2)), np.inf
    )
    return {"first": float(auroc[0]), "second": float(auroc[1]), **tested}


def mcnemar(
    first: NDArray[np.bool_], second: NDArray[np.bool_], label: Labels
) -> dict[str, float | str]:
    """Test whether two classifiers are right equally often (McNemar 1947).

    Only patches that one alone gets right count. Under ``EXACT`` of them the test is the exact binomial one, otherwise
    chi-square without continuity correction (Fagerland, Lydersen & Laake 2013). Patches count as independent: with slides,
    use ``paired_difference`` of accuracy.

    Args:
        first: (N,), whether one calls a patch positive.
        second: (N,), whether the other does.
        label: (N,), 0 or 1.

    Returns:
        {"first_only", "second_only": patches that one alone gets right, "p": two-sided, "method"}.

    Raises:
        ValueError: lengths that differ.
    """
    if not len(first) == len(second) == len(label):
        raise ValueError("calls and labels have different lengths")
    truth = np.asarray(label) == 1
    right, other = (np.asarray(called, bool) == truth for called in (first, second))
    b, c = int((right & ~other).sum()), int((other & ~right).sum())
    if b + c < EXACT:
        p = float(stats.binomtest(b, b + c).pvalue) if b + c else 1.0
        return {"first_only": b, "second_only": c, "p": p, "method": "exact"}
    return {
        "first_only": b,
        "second_only": c,
        "p": float(stats.chi2.sf((b - c) ** 2 / (b + c), 1)),
        "method": "chi-square",
    }


def holm(p: Sequence[float]) -> list[float]:
    """Correct p-values for their number (Holm 1979), in the order given; those that are NaN stay so and do not count."""
    values = np.asarray(p, np.float64)
    adjusted = np.full(len(values), np.nan)
    order = np.argsort(values, kind="stable")[: int((~np.isnan(values)).sum())]  # NaN sorts last
    steps = np.arange(len(order), 0, -1)
    adjusted[order] = (
        np.minimum(1, np.maximum.accumulate(values[order] * steps)) if len(order) else []
    )
    return [float(value) for value in adjusted]


def over_seeds(values: Sequence[float]) -> dict[str, float]:
    """Return {"mean", "sd", "runs"} of a figure over runs that differ in their seed; sd (n - 1) is NaN for one run."""
    known = np.asarray(values, np.float64)
    sd = float(known.std(ddof=1)) if len(known) > 1 else float("nan")
    return {
        "mean": float(known.mean()) if len(known) else float("nan"),
        "sd": sd,
        "runs": float(len(known)),
    }


def paired_t(differences: Sequence[float], level: float = 0.95) -> dict[str, float]:
    """Test the mean of differences between runs that share a seed by Student's t; the seeds are what is drawn.

    Returns:
        {"value", "low", "high", "p"}; all but the value NaN for fewer than two.
    """
    told = over_seeds(differences)
    count = int(told["runs"])
    error = told["sd"] / count**0.5 if count else float("nan")
    freedom = max(count - 1, 1)
    return _tested(told["mean"], error, float(stats.t.ppf((1 + level) / 2, freedom)), freedom)


def welch(first: Sequence[float], second: Sequence[float], level: float = 0.95) -> dict[str, float]:
    """Compare two groups of runs by Welch's t, which does not take their spreads to be equal (Welch 1947).

    The seeds are what is drawn here; the patches are fixed. So it tells whether another seed would turn the order round,
    not whether other slides would. With two or three runs a group it finds only large differences.

    Args:
        first: a figure of each run of one group.
        second: of the other.
        level: of the interval.

    Returns:
        {"value": first's mean less second's, "low", "high", "p": two-sided, "freedom": degrees of freedom}; all but the
        value NaN if a group has fewer than two runs.
    """
    one, other = over_seeds(first), over_seeds(second)
    value = one["mean"] - other["mean"]
    parts: list[float] = [
        group["sd"] ** 2 / group["runs"] if group["runs"] else np.nan for group in (one, other)
    ]
    error = float(np.sqrt(sum(parts)))
    if np.isnan(error):
        return {**_tested(value, error, error, error), "freedom": float("nan")}
    squares: Mapping[str, float] = {
        "one": parts[0] ** 2 / (one["runs"] - 1),
        "other": parts[1] ** 2 / (other["runs"] - 1),
    }
    freedom = sum(parts) ** 2 / sum(squares.values()) if error else one["runs"] + other["runs"] - 2
    return {
        **_tested(value, error, float(stats.t.ppf((1 + level) / 2, freedom)), freedom),
        "freedom": float(freedom),
    }
