"""Calibration by temperature (Guo et al. 2017, section 4.2): logits are divided by one number, fitted on another split."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit

from pcam.stats.metrics import SMALLEST, Floats, Labels

COLDEST, HOTTEST = 0.01, 100.0  # within which the temperature is sought


class Temperature(NamedTuple):
    """A fitted temperature, the NLL without and with it, and what was out of the ordinary ("" if nothing)."""

    value: float
    before: float
    after: float
    note: str


def logit(probability: Floats, clip: float = SMALLEST) -> Floats:
    """Return log-odds; probabilities nearer than ``clip`` to 0 or 1 are taken as that far from it."""
    inside = np.clip(np.asarray(probability, np.float64), clip, 1 - clip)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def fit_temperature(logits: Floats, label: Labels) -> Temperature:
    """Find the temperature of the least NLL. For probabilities, give their ``logit``.

    Args:
        logits: (N,), finite.
        label: (N,), 0 or 1.

    Returns:
        The temperature, between ``COLDEST`` and ``HOTTEST``. Its note says if it is at a bound (where every patch is on its
        side of 0, the NLL falls for ever as the temperature does; where the scores are no better than chance, it falls as
        the temperature rises), or that it is 1 because one class alone, or nothing but zeros, cannot be calibrated.

    Raises:
        ValueError: no patches, lengths that differ, or logits that are not finite.
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
        return Temperature(1.0, before, before, "one class alone: not calibrated")
    if not logits.any():
        return Temperature(1.0, before, before, "every logit is 0: not calibrated")
    bounds = (np.log(COLDEST), np.log(HOTTEST))
    found = float(
        minimize_scalar(nll, bounds=bounds, method="bounded", options={"xatol": 1e-9}).x
    )  # convex in 1 / T
    note = ""
    if found - bounds[0] < 0.01:
        found, note = bounds[0], "at the lower bound: the classes lie on either side of 0"
    elif bounds[1] - found < 0.01:
        found, note = bounds[1], "at the upper bound: the scores are no better than chance"
    return Temperature(float(np.exp(found)), before, nll(found), note)


def apply_temperature(probability: Floats, temperature: float) -> Floats:
    """Return probabilities (N,) whose logits are divided by the temperature; their order stays."""
    return np.asarray(expit(logit(probability) / temperature))
