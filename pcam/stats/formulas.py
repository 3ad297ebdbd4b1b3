"""The formulas of metrics, from sums over patches."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

EPSILON = float(np.finfo(np.float64).eps)  # the NLL clips probabilities to this far from 0 and 1


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


def ranking_metrics(
    true_positives: Floats, false_positives: Floats, positives: Floats, negatives: Floats
) -> dict[str, Floats]:
    """Return AUROC and average precision under each of R weightings.

    Args:
        true_positives: (R, L), of a threshold at each of the L distinct scores, descending.
        false_positives: (R, L), likewise.
        positives: (R,), sums of the weights of the positive patches.
        negatives: (R,), of the negative patches.
    """
    new_true = np.diff(true_positives, axis=1, prepend=0.0)
    new_false = np.diff(false_positives, axis=1, prepend=0.0)
    # Each negative is below the positives before it, and level with half of those it ties with.
    area = np.einsum("rl,rl->r", new_false, true_positives - new_true / 2)
    predicted = true_positives + false_positives
    np.maximum(predicted, 1e-300, out=predicted)  # no weight so far: no new positives either
    precision_sum = np.einsum("rl,rl->r", new_true, true_positives / predicted)
    return {
        "auroc": area / (positives * negatives),
        "average_precision": np.where(negatives > 0, precision_sum / positives, np.nan),
    }


def log_losses(score: Floats, positive: Floats, log_odds: bool) -> Floats:
    """Return the negative log-likelihood of each patch, (N,).

    Args:
        score: (N,), probabilities of the positive class, or their log-odds.
        positive: (N,), 1 for positive patches, else 0.
        log_odds: The scores are log-odds.
    """
    if log_odds:
        return np.logaddexp(0, np.where(positive == 1, -score, score))
    likelihood = np.where(positive == 1, score, 1 - score)
    return np.asarray(-np.log(np.clip(likelihood, EPSILON, 1 - EPSILON)))


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
