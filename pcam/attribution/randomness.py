"""The streams of random numbers that attribution draws from."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from pcam.data import randomness

if TYPE_CHECKING:
    import numpy as np


class Stream(IntEnum):
    """What a stream is for; all of them belong to ``Purpose.ATTRIBUTION``."""

    METHOD = 0
    RANDOM_ORDER = 1
    REMOVED_SQUARES = 2
    NOISE = 3
    CHOSEN_PATCHES = 4
    REFERENCES = 5
    UNTRAINED_WEIGHTS = 6
    MEASURED_PATCHES = 7
    TRAINING_PATCHES = 8


def draw(seed: int, stream: Stream, patch: int = 0) -> np.random.Generator:
    """Return the random numbers of one stream and one patch."""
    return randomness.draw(seed, randomness.Purpose.ATTRIBUTION, stream, patch)
