"""Thresholds, chosen on one split and used on another.

A patch is predicted positive if its score, a probability or log-odds, is the threshold or more.
"""

import numpy as np

from pcam.stats.metrics import Floats, Labels, RankedScores

ROUNDING = 1e-9  # tolerance of products that are whole numbers


def youden(score: Floats, label: Labels) -> float:
    """Return the threshold of the largest sensitivity + specificity - 1 (Youden 1950).

    Args:
        score: (N,), probabilities of the positive class, or their log-odds.
        label: (N,), 0 or 1.

    Returns:
        One of the scores, the largest of several equally good ones; NaN with one class only or
        scores that are NaN.

    Raises:
        ValueError: no patches, or different lengths.
    """
    scores = RankedScores(score, label, metrics=(), log_odds=True)
    true_positives, false_positives = scores.cumulative_counts(np.ones((1, len(label))))
    tp, fp = true_positives[0], false_positives[0]
    if not scores.finite or not tp[-1] or not fp[-1]:
        return np.nan
    # Sensitivity less false positive rate, in whole numbers, so that equal values are equal.
    best = int(np.argmax(tp * fp[-1] - fp * tp[-1]))
    patch = best if scores.run_ends is None else scores.run_ends[best]
    return float(scores.score[patch])


def at_sensitivity(score: Floats, label: Labels, wanted: float) -> float:
    """Return the largest threshold whose sensitivity is at least ``wanted``.

    Args:
        score: (N,), probabilities of the positive class, or their log-odds.
        label: (N,), 0 or 1.
        wanted: Above 0, up to 1.

    Returns:
        The score of one of the positives; NaN without positives or with scores that are NaN.

    Raises:
        ValueError: different lengths, or a sensitivity out of range.
    """
    if not 0 < wanted <= 1:
        raise ValueError(f"sensitivity {wanted} is out of range: it is above 0 and up to 1")
    if np.shape(score) != np.shape(label):
        raise ValueError("scores and labels have different lengths")
    positives = np.asarray(score, np.float64)[np.asarray(label) == 1]
    if not len(positives) or np.isnan(score).any():
        return np.nan
    descending = np.sort(positives)[::-1]
    needed = max(1, int(np.ceil(wanted * len(descending) - ROUNDING)))
    return float(descending[needed - 1])
