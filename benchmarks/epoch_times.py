"""When each epoch of a training makes its first and its last step, and the rates that follow.

The three kinds of training, pcam's, timm's and the plain loop, are timed alike: from the end of an
epoch's first step to the end of its last, the device having done its work.
"""

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class EpochTime:
    """The times of one epoch, in seconds since any fixed moment.

    Attributes:
        first: end of the first step.
        last: end of the last step.
        steps: number of steps.
    """

    first: float
    last: float
    steps: int


def step_rates(epochs: Sequence[EpochTime], batch: int) -> list[float]:
    """Return patches per second within each epoch, without what happens between epochs."""
    return [
        batch * (epoch.steps - 1) / (epoch.last - epoch.first)
        for epoch in epochs
        if epoch.last > epoch.first
    ]


def epoch_rates(epochs: Sequence[EpochTime], batch: int) -> list[float]:
    """Return patches per second from epoch to epoch: validation and checkpoint included."""
    pairs = itertools.pairwise(epochs)
    return [batch * one.steps / (other.first - one.first) for one, other in pairs]


def median_after_first(rates: Sequence[float]) -> float:
    """Return the median of the epochs after the first, in which caches and kernels are chosen."""
    rest = rates[1:] or rates
    return statistics.median(rest) if rest else float("nan")
