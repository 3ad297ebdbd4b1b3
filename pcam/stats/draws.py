"""Metrics that are means over several classifiers of the same patches, such as random draws."""

from collections.abc import Collection, Sequence

import numpy as np

from pcam.stats.intervals import RESAMPLES, SCALES, Interval, interval_limits
from pcam.stats.metrics import METRICS, Floats, Labels, RankedScores
from pcam.stats.resampling import (
    concatenate_metrics,
    effective_units,
    effective_units_of_metric,
    resample_weights,
    unit_numbers,
)


def bootstrap_over_draws(
    scores: Floats,
    label: Labels,
    groups: Sequence[str] | None = None,
    *,
    metrics: Collection[str] = METRICS,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Compute the mean of every metric over D classifiers, with its interval over the patches.

    The interval is about other patches and the same classifiers; how much these differ from each
    other is their standard deviation.

    Args:
        scores: (D, N), log-odds of each classifier.
        label: (N,), 0 or 1.
        groups: N slide names, or None to draw patches.
        metrics: Which of ``METRICS``.
        resamples: Number of resamples.
        seed: Of the draws.
        level: Of confidence.

    Returns:
        Metric to {"value", "low", "high", "sd"}; sd is NaN for a single classifier.
    """
    units = unit_numbers(groups, len(label))
    counts = effective_units(label, units, scores.mean(0) >= 0)
    observed: dict[str, list[float]] = {name: [] for name in metrics}
    sums = {name: np.zeros(resamples) for name in metrics}
    for score in scores:
        ranked = RankedScores(score, label, metrics=metrics, log_odds=True)
        values = ranked.weigh(np.ones((1, len(label))))
        weights = resample_weights(units, resamples, seed)
        resampled = concatenate_metrics(ranked.weigh(block) for block in weights)
        for name in metrics:
            observed[name].append(float(values[name][0]))
            sums[name] += resampled[name]
    result = {}
    for name in metrics:
        count = effective_units_of_metric(name, counts)
        mean = float(np.mean(observed[name]))
        scale = SCALES.get(name, "logit")
        low, high = interval_limits(mean, sums[name] / len(scores), count, level, scale)
        spread = float(np.std(observed[name], ddof=1)) if len(scores) > 1 else np.nan
        result[name] = {"value": mean, "low": low, "high": high, "sd": spread}
    return result
