"""Calibration by temperature (Guo et al. 2017, section 4.2).

Logits are divided by one number, the temperature, which is fitted on another split.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from pcam.stats.metrics import Floats, Labels

MIN_TEMPERATURE = 0.01
MAX_TEMPERATURE = 100.0
BOUND_TOLERANCE = 0.01  # distance of log temperatures from which a bound counts as reached


class Temperature(NamedTuple):
    """A fitted temperature.

    Attributes:
        value: The temperature.
        before: NLL without it.
        after: NLL with it.
        note: What limits the fit, or "".
    """

    value: float
    before: float
    after: float
    note: str


def fit_temperature(logits: Floats, label: Labels) -> Temperature:
    """Find the temperature of the smallest NLL. For probabilities, give their ``log_odds``.

    Args:
        logits: (N,), finite.
        label: (N,), 0 or 1.

    Returns:
        The temperature, between ``MIN_TEMPERATURE`` and ``MAX_TEMPERATURE``. Its note says if it is
        at a bound: if logits separate the classes at 0, the NLL decreases without end as the
        temperature falls; if the scores are no better than chance, as the temperature rises. It is
        1, with a note, for one class only or nothing but zeros.

    Raises:
        ValueError: no patches, different lengths, or logits that are not finite.
    """
    logits = np.asarray(logits, np.float64)
    if not len(label) or logits.shape != (len(label),):
        raise ValueError("no patches, or logits and labels of different lengths")
    if not np.isfinite(logits).all():
        raise ValueError("logits that are not finite cannot be calibrated")
    signed = np.where(np.asarray(label) == 1, -logits, logits)

    def nll(log_temperature: float) -> float:
        return float(np.logaddexp(0, signed * np.exp(-log_temperature)).mean())

    before = nll(0.0)
    if len(np.unique(label)) < 2:
        return Temperature(1.0, before, before, "one class only: not calibrated")
    if not logits.any():
        return Temperature(1.0, before, before, "every logit is 0: not calibrated")
    low, high = np.log(MIN_TEMPERATURE), np.log(MAX_TEMPERATURE)
    # The NLL is convex in 1 / temperature.
    found = minimize_scalar(nll, bounds=(low, high), method="bounded", options={"xatol": 1e-9})
    best, note = float(found.x), ""
    if best - low < BOUND_TOLERANCE:
        best, note = low, "at the lower bound: logits separate the classes at 0"
    elif high - best < BOUND_TOLERANCE:
        best, note = high, "at the upper bound: the scores are no better than chance"
    return Temperature(float(np.exp(best)), before, nll(best), note)
