"""The formulas of metrics, from sums over patches."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def threshold_metrics(
    total: Floats, positives: Floats, predicted: Floats, true_positives: Floats
) -> dict[str, Floats]:
    """Return the metrics at a threshold under each of R weightings.

    Args:
        total: (R,), sums of the weights.
        positives: (R,), of the positive patches.
        predicted: (R,), of the patches that are predicted positive.
        true_positives: (R,), of those that are positive.
    """
    negatives = total - positives
    false_positives = predicted - true_positives
    sensitivity = true_positives / positives
    specificity = (negatives - false_positives) / negatives
    return {
        "accuracy": (true_positives + negatives - false_positives) / total,
        "balanced_accuracy": (sensitivity + specificity) / 2,
        "f1": 2 * true_positives / (predicted + positives),
        "precision": true_positives / predicted,
        "sensitivity": sensitivity,
        "specificity": specificity,
    }


def calibration_metrics(sums: Floats, total: Floats) -> dict[str, Floats]:
    """Return Brier score, NLL and, if it is asked for, the calibration error, (R,) each.

    Args:
        sums: (2 or more, R), weighted sums of the calibration columns.
        total: (R,), sums of the weights.
    """
    squared_error, log_loss, *bin_gaps = sums
    found = {"brier": squared_error / total, "nll": log_loss / total}
    if bin_gaps:
        found["ece"] = np.abs(sums[2:]).sum(0) / total
    return found


def bin_index(probability: Floats, bins: int) -> NDArray[np.int64]:
    """Return the equal-width bin of each probability in [0, 1].

    Bins are closed below and open above; the last one is closed on both sides.
    """
    edges = np.linspace(0, 1, bins + 1)[1:-1]
    return np.searchsorted(edges, probability, side="right").astype(np.int64)
