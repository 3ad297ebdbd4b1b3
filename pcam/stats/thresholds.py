"""Thresholds, to be chosen on one split and used on another. A patch is called positive from the threshold on."""

import numpy as np

from pcam.stats.metrics import Floats, Labels, Scored

ROUNDING = 1e-9


def youden(probability: Floats, label: Labels) -> float:
    """Return the threshold of the largest sensitivity + specificity - 1 (Youden 1950).

    Args:
        probability: (N,), of the positive class.
        label: (N,), 0 or 1.

    Returns:
        One of the probabilities, the largest if several do as well; NaN with one class alone or scores that are not finite.

    Raises:
        ValueError: no patches, or lengths that differ.
    """
    scored = Scored(probability, label, metrics=())
    tp, fp = (counts[0] for counts in scored.running(np.ones((1, len(label)))))
    if not scored.valid or not tp[-1] or not fp[-1]:
        return float("nan")
    best = int(np.argmax(tp * fp[-1] - fp * tp[-1]))  # in whole numbers, so that equals are equal
    return float(scored.score[best if scored.last is None else scored.last[best]])


def at_sensitivity(probability: Floats, label: Labels, wanted: float) -> float:
    """Return the largest threshold whose sensitivity is at least ``wanted``.

    Args:
        probability: (N,), of the positive class.
        label: (N,), 0 or 1.
        wanted: above 0, up to 1.

    Returns:
        The probability of one of the positives; NaN without positives or with scores that are not finite.

    Raises:
        ValueError: lengths that differ, or a sensitivity that cannot be.
    """
    if not 0 < wanted <= 1:
        raise ValueError(f"a sensitivity of {wanted} is not above 0 and up to 1")
    if np.shape(probability) != np.shape(label):
        raise ValueError("scores and labels have different lengths")
    found = np.sort(np.asarray(probability, np.float64)[np.asarray(label) == 1])[::-1]
    if not len(found) or not np.isfinite(probability).all():
        return float("nan")
    return float(found[max(1, int(np.ceil(wanted * len(found) - ROUNDING))) - 1])
