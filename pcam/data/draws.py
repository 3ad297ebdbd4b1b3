"""Counted randomness: every draw is a function of (seed, purpose, epoch, patch) and of nothing else.

So no result depends on the number of workers or processes, on the batch size, or on what ran before; a resumed run draws
what the uninterrupted one would have drawn.
"""

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a stream of random numbers is for; streams of different purposes are independent."""

    ORDER = 0
    CROP = 1
    AUGMENTATION = 2
    LIMIT = 3
    SPLIT = 4
    TORCH = 5


def draw(seed: int, purpose: Purpose, epoch: int = 0, patch: int = 0) -> np.random.Generator:
    """Return the generator of one purpose, epoch and patch.

    Philox (Salmon et al., SC 2011) turns a key and a counter into random numbers, so a stream costs some microseconds and
    needs no state.
    """
    return np.random.Generator(np.random.Philox(key=[seed, purpose], counter=[0, 0, epoch, patch]))
