"""Bootstrap resamples of patches or of whole slides, and how many independent units they have."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pcam.stats.metrics import BLOCK_CELLS, METRICS, Floats, Labels

# Means over all patches, whatever their class.
WHOLE_SAMPLE_METRICS = frozenset({"accuracy", "brier", "nll", "ece"})
# Shares of one class.
CLASS_OF_METRIC = {"sensitivity": "positive", "specificity": "negative"}


def unit_numbers(groups: Sequence[str] | None, size: int) -> NDArray[np.int64]:
    """Return the number of the unit that is drawn with each patch: its slide, or itself.

    Args:
        groups: N slide names, or None to draw patches.
        size: N.

    Returns:
        int64 (N,), from 0 on.

    Raises:
        ValueError: not one slide name per patch.
    """
    if groups is None:
        return np.arange(size)
    if len(groups) != size:
        raise ValueError(f"{len(groups)} slide names for {size} patches")
    return np.unique(np.asarray(groups), return_inverse=True)[1].astype(np.int64)


def resample_weights(units: NDArray[np.int64], resamples: int, seed: int) -> Iterator[Floats]:
    """Yield weights (r, N), a few resamples at a time: how often each patch is drawn.

    The draws depend on the number of units and the seed only, so the resamples of two networks are
    the same.

    Args:
        units: (N,), of ``unit_numbers``.
        resamples: Number of resamples.
        seed: Seed of the draws.
    """
    count = int(units.max()) + 1
    units_are_patches = count == len(units) and bool((units == np.arange(count)).all())
    rng = np.random.default_rng(seed)
    step = max(1, BLOCK_CELLS // len(units))
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        picks = rng.integers(count, size=(size, count))
        cells = picks + np.arange(size)[:, None] * count
        times = np.bincount(cells.ravel(), minlength=size * count)
        unit_weights = times.reshape(size, count).astype(np.float64)
        yield unit_weights if units_are_patches else unit_weights[:, units]


def concatenate_metrics(parts: Iterable[dict[str, Floats]]) -> dict[str, Floats]:
    """Concatenate the metrics of several blocks of resamples along the first axis."""
    blocks = list(parts)
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def effective_units(
    label: Labels,
    units: NDArray[np.int64],
    predicted_positive: NDArray[np.bool_] | None = None,
) -> dict[str, float]:
    """Return the effective number of units (Kish 1965) behind several sets of patches.

    (Σ n)² / Σ n² over the units' counts n: the number of units if all are equally large, less if
    they are not; 0 for an empty set.

    Args:
        label: (N,), 0 or 1.
        units: (N,), of ``unit_numbers``.
        predicted_positive: (N,), or None.

    Returns:
        "positive", "negative", "all" and, if given, "predicted_positive".
    """
    sets = {"positive": label == 1, "negative": label == 0, "all": np.ones(len(label), bool)}
    if predicted_positive is not None:
        sets["predicted_positive"] = predicted_positive
    return {name: _effective_number(units[chosen]) for name, chosen in sets.items()}


def _effective_number(units: NDArray[np.int64]) -> float:
    """Return the effective number of units (Kish); unequal units count for fewer.

    Args:
        units: The unit of each patch, as a number from 0.
    """
    counts = np.bincount(units, minlength=1).astype(np.float64)
    if not counts.any():
        return 0.0
    return float(counts.sum() ** 2 / (counts**2).sum())


def effective_units_of_metric(metric: str, counts: Mapping[str, float]) -> float:
    """Return the effective number of units behind a metric.

    It is that of the class of which the metric is a share, or of the rarer class.

    Args:
        metric: One of ``METRICS``, or the name of a mean.
        counts: Result of ``effective_units``.
    """
    if metric in WHOLE_SAMPLE_METRICS or metric not in METRICS:
        return counts["all"]
    if metric in CLASS_OF_METRIC:
        return counts[CLASS_OF_METRIC[metric]]
    rarer_class = min(counts["positive"], counts["negative"])
    if rarer_class == 0:
        rarer_class = counts["all"]
    if metric != "precision":
        return rarer_class
    predicted = counts.get("predicted_positive", rarer_class)
    return min(rarer_class, predicted)
