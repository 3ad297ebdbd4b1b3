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
    BATCHED = 6
    ATTRIBUTION = 7
    POSITION = 8
    DASHBOARD = 9


class Stream:
    """The random numbers of one purpose, taken up anew at each (epoch, patch).

    Philox (Salmon et al., SC 2011) turns a key and a counter into random numbers, so that to go to any place of the stream
    costs a microsecond.
    """

    def __init__(self, seed: int, purpose: Purpose) -> None:
        self._bits = np.random.Philox(key=[seed, purpose], counter=[0, 0, 0, 0])
        self._state = self._bits.state
        self.generator = np.random.Generator(self._bits)

    def at(self, epoch: int = 0, patch: int = 0) -> np.random.Generator:
        """Return the generator, as new, of an epoch and a patch; until the next call."""
        self._state["state"]["counter"][2:] = epoch, patch
        self._bits.state = self._state
        return self.generator


def draw(seed: int, purpose: Purpose, epoch: int = 0, patch: int = 0) -> np.random.Generator:
    """Return a generator of one purpose, epoch and patch."""
    return Stream(seed, purpose).at(epoch, patch)
