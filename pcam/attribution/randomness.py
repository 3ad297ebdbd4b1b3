"""The random numbers of attribution, by stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcam.data import randomness
from pcam.data.randomness import AttributionStream, Purpose

if TYPE_CHECKING:
    import numpy as np


def draw(seed: int, stream: AttributionStream, patch: int = 0) -> np.random.Generator:
    """Return the random numbers of one stream and one patch."""
    return randomness.draw(seed, Purpose.ATTRIBUTION, stream, patch)
