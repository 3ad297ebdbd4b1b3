"""Comparisons of two classifiers on the same patches."""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pcam.stats.intervals import RESAMPLES, standard_error
from pcam.stats.metrics import BINS, METRICS, Floats, Labels, RankedScores
from pcam.stats.resampling import (
    concatenate_metrics,
    effective_units,
    effective_units_of_metric,
    resample_weights,
    unit_numbers,
)

MCNEMAR_EXACT_BELOW = 25  # discordant patches below which McNemar's test is exact


def paired_difference(
    first: Floats,
    second: Floats,
    label: Labels,
    groups: Sequence[str] | None = None,
    *,
    log_odds: bool = False,
    metrics: Collection[str] = METRICS,
    thresholds: tuple[float | None, float | None] = (None, None),
    bins: int = BINS,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, dict[str, float]]:
    """Compare two classifiers by the paired bootstrap: both are evaluated on the same resamples.

    Several runs per side, such as seeds, are compared by their mean metrics. The test is Student's
    t with the effective number of units, so p is below 1 - level where the interval excludes 0.

    Args:
        first: (N,), probabilities or log-odds of one; or (K, N), of K runs.
        second: (N,), of the other, for the same patches; or (L, N).
        label: (N,), 0 or 1.
        groups: N slide names, or None to draw patches.
        log_odds: The scores are log-odds.
        metrics: Which of ``METRICS``.
        thresholds: Of each; a patch is predicted positive from this score on. None: a probability
            of 0.5.
        bins: Bins of the expected calibration error.
        resamples: Number of resamples.
        seed: Seed of the draws.
        level: Confidence level.

    Returns:
        Metric to {"value": first minus second, "low", "high", "p": two-sided}; NaN if undefined.

    Raises:
        ValueError: no patches, different lengths, or an unknown metric.
    """
    first_runs = _rank_runs(first, label, thresholds[0], bins, metrics, log_odds)
    second_runs = _rank_runs(second, label, thresholds[1], bins, metrics, log_odds)
    units = unit_numbers(groups, len(label))
    weights = resample_weights(units, resamples, seed)
    differences = [_mean_difference(first_runs, second_runs, block) for block in weights]
    resampled = concatenate_metrics(differences)
    counts = effective_units(label, units)
    observed = _mean_difference(first_runs, second_runs, np.ones((1, len(label))))
    result = {}
    for name, value in observed.items():
        count = effective_units_of_metric(name, counts)
        error, quantile = standard_error(resampled[name], count, level)
        result[name] = _t_test(float(value[0]), error, quantile, count - 1)
    return result


def _rank_runs(
    scores: Floats,
    label: Labels,
    threshold: float | None,
    bins: int,
    metrics: Collection[str],
    log_odds: bool,
) -> list[RankedScores]:
    runs = []
    for run in np.atleast_2d(scores):
        runs.append(RankedScores(run, label, threshold, bins, metrics, log_odds=log_odds))
    return runs


def _mean_difference(
    first: Sequence[RankedScores], second: Sequence[RankedScores], weights: Floats
) -> dict[str, Floats]:
    """Return first minus second under each of R weightings, (R,) per metric."""
    first_mean = _mean_metrics(first, weights)
    second_mean = _mean_metrics(second, weights)
    return {name: first_mean[name] - second_mean[name] for name in first_mean}


def _mean_metrics(runs: Sequence[RankedScores], weights: Floats) -> dict[str, Floats]:
    found = [run.weigh(weights) for run in runs]
    return {name: np.mean([one[name] for one in found], 0) for name in found[0]}


def _t_test(value: float, error: float, quantile: float, freedom: float) -> dict[str, float]:
    """Return a difference's interval and two-sided p by Student's t.

    Args:
        value: The difference.
        error: Its standard error.
        quantile: Of Student's t, for the interval.
        freedom: Degrees of freedom; the test is normal if infinite.
    """
    if np.isnan(value) or np.isnan(error):
        return {"value": value, "low": np.nan, "high": np.nan, "p": np.nan}
    if error == 0:
        return constant_difference(value)
    return {
        "value": value,
        "low": value - quantile * error,
        "high": value + quantile * error,
        "p": float(2 * stats.t.sf(abs(value) / error, freedom)),
    }


def constant_difference(value: float) -> dict[str, float]:
    """Return the result for a difference without any variance."""
    return {"value": value, "low": value, "high": value, "p": 0.0 if value else 1.0}


def delong(first: Floats, second: Floats, label: Labels, level: float = 0.95) -> dict[str, float]:
    """Test the difference of two AUROCs on the same patches (DeLong, DeLong & Clarke-Pearson 1988).

    The placement of each patch among the other class comes from ranks, in O(N log N) (Sun & Xu
    2014). Patches count as independent: with slides, use ``paired_difference``.

    Args:
        first: (N,), scores of one.
        second: (N,), of the other, for the same patches.
        label: (N,), 0 or 1.
        level: Confidence level.

    Returns:
        {"first", "second": the AUROCs, "value": first minus second, "low", "high", "p": two-sided};
        NaN with fewer than two patches of either class or scores that are NaN.

    Raises:
        ValueError: different lengths.
    """
    positive = np.asarray(label) == 1
    scores = np.stack([np.asarray(first, np.float64), np.asarray(second, np.float64)])
    if scores.shape[1] != len(positive):
        raise ValueError("scores and labels have different lengths")
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if min(positives, negatives) < 2 or np.isnan(scores).any():
        return dict.fromkeys(("first", "second", "value", "low", "high", "p"), np.nan)

    ranks = stats.rankdata(scores, axis=1)
    ranks_among_positives = stats.rankdata(scores[:, positive], axis=1)
    ranks_among_negatives = stats.rankdata(scores[:, ~positive], axis=1)
    # Per positive: the share of negatives below it. Per negative: the share of positives above it.
    negatives_below = (ranks[:, positive] - ranks_among_positives) / negatives
    positives_above = 1 - (ranks[:, ~positive] - ranks_among_negatives) / positives
    auroc = negatives_below.mean(1)

    positive_variance = (negatives_below[0] - negatives_below[1]).var(ddof=1) / positives
    negative_variance = (positives_above[0] - positives_above[1]).var(ddof=1) / negatives
    error = float(np.sqrt(positive_variance + negative_variance))
    quantile = float(stats.norm.ppf((1 + level) / 2))
    test = _t_test(float(auroc[0] - auroc[1]), error, quantile, np.inf)
    return {"first": float(auroc[0]), "second": float(auroc[1]), **test}


def mcnemar(
    first: NDArray[np.bool_], second: NDArray[np.bool_], label: Labels
) -> dict[str, float | str]:
    """Test whether two classifiers are right equally often (McNemar 1947).

    Only patches that exactly one of them gets right count. Below ``MCNEMAR_EXACT_BELOW`` such
    patches the test is the exact binomial one, otherwise chi-square without continuity correction
    (Fagerland, Lydersen & Laake 2013). Patches count as independent: with slides, use
    ``paired_difference`` of accuracy.

    Args:
        first: (N,), whether one predicts a patch positive.
        second: (N,), whether the other does.
        label: (N,), 0 or 1.

    Returns:
        {"first_only", "second_only": patches that only one gets right, "p": two-sided, "method"}.

    Raises:
        ValueError: different lengths.
    """
    if not len(first) == len(second) == len(label):
        raise ValueError("predictions and labels have different lengths")
    actual = np.asarray(label) == 1
    first_right = np.asarray(first, bool) == actual
    second_right = np.asarray(second, bool) == actual
    first_only = int((first_right & ~second_right).sum())
    second_only = int((second_right & ~first_right).sum())
    discordant = first_only + second_only
    method = "exact" if discordant < MCNEMAR_EXACT_BELOW else "chi-square"
    if discordant == 0:
        p = 1.0
    elif method == "exact":
        p = float(stats.binomtest(first_only, discordant).pvalue)
    else:
        p = float(stats.chi2.sf((first_only - second_only) ** 2 / discordant, 1))
    return {"first_only": first_only, "second_only": second_only, "p": p, "method": method}


def holm(p: Sequence[float]) -> list[float]:
    """Correct p-values for their number (Holm 1979), in the given order.

    Values that are NaN stay NaN and do not count.
    """
    values = np.asarray(p, np.float64)
    adjusted = np.full(len(values), np.nan)
    known = int((~np.isnan(values)).sum())
    if known:
        ascending = np.argsort(values, kind="stable")[:known]  # NaN is sorted last
        remaining = np.arange(known, 0, -1)
        products = np.maximum.accumulate(values[ascending] * remaining)
        adjusted[ascending] = np.minimum(1, products)
    return adjusted.tolist()
