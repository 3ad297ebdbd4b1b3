"""Which learning rate the losses of a search suggest."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

SMOOTHING = 4  # steps; standard deviation of the weights of a step's neighbours
SMALLEST = 1e-6  # loss
DIGITS = 2  # of a rate, so that it can be typed

Rates = NDArray[np.float64]


def suggest_rate(rates: Rates, losses: Rates) -> float | None:
    """Return the rate at which the smoothed loss is the lowest: up to it, higher rates learn more.

    Schedules rise to it and fall again. Lightning's own suggestion, the largest fall of a running
    mean per difference of the rate, is among the lowest rates whatever the loss does.

    Args:
        rates: of each step, rising, (N,).
        losses: likewise, (N,); may not be finite at high rates.

    Returns:
        The rate, rounded; None if no rate is better than the lowest.
    """
    finite = int(np.isfinite(losses).cumprod().sum())
    if finite <= 2 * SMOOTHING:  # the loss is lost before any rate could matter
        return None
    lowest = int(np.nanargmin(smooth(losses)))
    return round_rate(float(rates[lowest])) if lowest else None


def smooth(losses: Rates) -> Rates:
    """Return the losses of steps (N,), in the geometric mean with their neighbours.

    NaN from the first step on whose loss is not finite.
    """
    finite = int(np.isfinite(losses).cumprod().sum())
    smoothed = np.full(len(losses), np.nan)
    if finite:
        logs = np.log(np.maximum(losses[:finite], SMALLEST))  # a loss that explodes weighs less
        smoothed[:finite] = np.exp(gaussian_filter1d(logs, SMOOTHING, mode="nearest"))
    return smoothed


def round_rate(rate: float) -> float:
    """Return a rate of as few digits as are typed."""
    return float(f"{rate:.{DIGITS}g}")
