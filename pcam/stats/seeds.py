"""Comparisons of groups of runs: their seeds vary, the patches are fixed."""

import warnings
from collections.abc import Sequence

import numpy as np
from scipy import stats

from pcam.stats.compare import constant_difference


def over_seeds(values: Sequence[float]) -> dict[str, float]:
    """Return mean and standard deviation of a metric over runs that differ in their seed.

    Args:
        values: The metric of each run; NaN makes both NaN.

    Returns:
        {"mean", "sd", "runs"}. The sd (with n - 1) is NaN for one run, the mean too for none.
    """
    known = np.asarray(values, np.float64)
    mean = float(known.mean()) if len(known) else np.nan
    sd = float(known.std(ddof=1)) if len(known) > 1 else np.nan
    return {"mean": mean, "sd": sd, "runs": float(len(known))}


def paired_t(differences: Sequence[float], level: float = 0.95) -> dict[str, float]:
    """Test the mean of differences between runs that share a seed by Student's t.

    Returns:
        {"value", "low", "high", "p"}; all but the value NaN for fewer than two differences.
    """
    seeds = over_seeds(differences)
    if seeds["runs"] < 2:
        return {"value": seeds["mean"], "low": np.nan, "high": np.nan, "p": np.nan}
    if seeds["sd"] == 0:
        return constant_difference(seeds["mean"])
    test = stats.ttest_1samp(differences, 0)
    interval = test.confidence_interval(level)
    return {
        "value": seeds["mean"],
        "low": float(interval.low),
        "high": float(interval.high),
        "p": float(test.pvalue),
    }


def welch(first: Sequence[float], second: Sequence[float], level: float = 0.95) -> dict[str, float]:
    """Compare two groups of runs by Welch's t, which allows unequal variances (Welch 1947).

    The seeds vary here; the patches are fixed. So the test answers whether other seeds would
    reverse the order, not whether other slides would. With two or three runs per group it finds
    only large differences.

    Args:
        first: A metric of each run of one group.
        second: Of the other.
        level: Confidence level.

    Returns:
        {"value": first's mean minus second's, "low", "high", "p": two-sided, "freedom": degrees of
        freedom}; all but the value NaN if a group has fewer than two runs.
    """
    one, other = over_seeds(first), over_seeds(second)
    value = one["mean"] - other["mean"]
    if min(one["runs"], other["runs"]) < 2:
        return {"value": value, "low": np.nan, "high": np.nan, "p": np.nan, "freedom": np.nan}
    if one["sd"] == other["sd"] == 0:
        return {**constant_difference(value), "freedom": one["runs"] + other["runs"] - 2}
    with warnings.catch_warnings():  # scipy warns if one group is constant
        warnings.simplefilter("ignore", RuntimeWarning)
        test = stats.ttest_ind(first, second, equal_var=False)
    interval = test.confidence_interval(level)
    return {
        "value": value,
        "low": float(interval.low),
        "high": float(interval.high),
        "p": float(test.pvalue),
        "freedom": float(test.df),
    }
