"""Figures of a binary classifier, for one sample or for many weightings of it at once."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def weighted_metrics(
    probability: Floats, label: NDArray[np.uint8], weight: Floats, threshold: float = 0.5
) -> dict[str, Floats]:
    """Compute every figure under each of R weightings of the same N patches.

    A bootstrap's resample is a weighting by counts, so resamples need no sorting of their own.

    Args:
        probability: (N,), of the positive class; ties are allowed.
        label: (N,), 0 or 1.
        weight: (R, N), not negative.
        threshold: a patch is called positive from this probability on.

    Returns:
        (R,) each of accuracy, auroc (ties count half), average_precision (step-wise, as scikit-learn's), f1, precision,
        sensitivity, specificity. NaN where a figure is not defined: one class alone, nothing called positive, or a
        probability that is not a number.
    """
    order = np.argsort(-probability, kind="stable")
    score = probability[order]
    last = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)  # last patch of each run of equal scores
    weight = weight[:, order]
    positive = weight * (label[order] == 1)
    tp, all_ = positive.cumsum(1)[:, last], weight.cumsum(1)[:, last]
    fp = all_ - tp
    p, n = tp[:, -1], fp[:, -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        rise = np.diff(tp, axis=1, prepend=0.0)
        run = np.diff(fp, axis=1, prepend=0.0)
        # each run of negatives is outranked by the positives before it, and by half of those it ties with
        auroc = (run * (tp - rise / 2)).sum(1) / (p * n)
        average_precision = (rise * np.where(all_ > 0, tp / all_, 0.0)).sum(1) / p
        called = np.searchsorted(-score[last], -threshold, side="right") - 1  # last threshold at or above
        true, false = (tp[:, called], fp[:, called]) if called >= 0 else (np.zeros_like(p), np.zeros_like(n))
        figures = {
            "accuracy": (true + n - false) / (p + n),
            "auroc": auroc,
            "average_precision": np.where(n > 0, average_precision, np.nan),
            "f1": 2 * true / (true + false + p),
            "precision": true / (true + false),
            "sensitivity": true / p,
            "specificity": (n - false) / n,
        }
    if np.isnan(probability).any():
        return {name: np.full(len(weight), np.nan) for name in figures}
    return figures


def classification_metrics(probability: Floats, label: NDArray[np.uint8], threshold: float = 0.5) -> dict[str, float]:
    """Compute every figure of ``weighted_metrics`` for one sample, each patch once."""
    ones = np.ones((1, len(label)))
    return {name: float(value[0]) for name, value in weighted_metrics(probability, label, ones, threshold).items()}


def nan_to_none(values: Mapping[str, float]) -> dict[str, float | None]:
    """Return the values with None where a figure is not defined, as JSON has no NaN."""
    return {name: None if np.isnan(value) else value for name, value in values.items()}
