"""Bootstrap intervals of every figure at once (Efron & Tibshirani 1993, percentile method)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pcam.stats.metrics import Floats, classification_metrics, weighted_metrics

CHUNK = 4_000_000  # weights held at a time


def bootstrap_metrics(
    probability: Floats,
    label: NDArray[np.uint8],
    loss: Floats,
    groups: Sequence[str] | None = None,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, dict[str, float]]:
    """Compute every figure with its interval.

    Patches of one slide resemble each other, so where slides are known whole slides are drawn: an interval over patches
    would be too narrow.

    Args:
        probability: (N,), of the positive class.
        label: (N,), 0 or 1.
        loss: (N,), of each patch; its mean is the figure "loss".
        groups: N slide names, or None to draw patches.
        resamples: how many.
        seed: of the draws.
        level: share of the resamples that the interval holds.

    Returns:
        Figure to {"value", "low", "high"}; NaN where it is not defined.
    """
    units = np.arange(len(label)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    count = int(units.max()) + 1
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[Floats]] = {}
    step = max(1, CHUNK // len(label))
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        picks = rng.integers(count, size=(size, count))
        offset = np.arange(size)[:, None] * count
        times = np.bincount((picks + offset).ravel(), minlength=size * count).reshape(size, count)
        weight = times[:, units].astype(np.float64)
        figures = weighted_metrics(probability, label, weight)
        figures["loss"] = weight @ loss / weight.sum(1)
        for name, values in figures.items():
            drawn.setdefault(name, []).append(values)
    point = {"loss": float(loss.mean()), **classification_metrics(probability, label)}
    tails = [50 * (1 - level), 100 - 50 * (1 - level)]
    result = {}
    for name, value in point.items():
        values = np.concatenate(drawn[name])
        values = values[~np.isnan(values)]
        known = len(values) and not np.isnan(value) and count > 1  # one slide says nothing of how slides differ
        low, high = np.percentile(values, tails) if known else (np.nan, np.nan)
        result[name] = {"value": value, "low": float(low), "high": float(high)}
    return result
