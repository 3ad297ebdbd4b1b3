"""What happens to each patch of a batch: the draws of batched augmentation."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pcam.config.sections import AugConfig

Uniform = NDArray[np.float64]
ConfigT = TypeVar("ConfigT", bound=AugConfig)
ORDERS = np.array(list(permutations(range(4))))
COLUMNS = 9  # uniform numbers per patch


@dataclass(frozen=True)
class Draws:
    """What happens to each patch of a batch, (B,) each.

    Draws are on the CPU, so that nothing waits for the device.

    Attributes:
        turns: quarter turns, anticlockwise, 0 to 3.
        flip: whether the patch is then mirrored left to right.
        jitter: whether its colours change.
        factors: float (B, 4): brightness, contrast, saturation (1: unchanged) and hue (share of the
            colour circle; 0: unchanged).
        order: int (B, 4), the order in which these four are applied.
        stains: float (B, 2, 3): factors and shifts of the amounts of haematoxylin, eosin and DAB,
            which change before all else; None if they do not.
    """

    turns: NDArray[np.int64]
    flip: NDArray[np.bool_]
    jitter: NDArray[np.bool_]
    factors: Uniform
    order: NDArray[np.int64]
    stains: Uniform | None = None


DrawRecipe = Callable[[Uniform, ConfigT], Draws]


@dataclass(frozen=True)
class Jitter:
    """Strengths of a colour jitter; brightness, contrast and saturation as factors 1 ± strength."""

    share: float  # of the patches
    brightness: float
    contrast: float
    saturation: float
    hue: float  # ± share of the colour circle


def combine_draws(
    u: Uniform, turns: NDArray[np.int64], flip: NDArray[np.bool_], jitter: Jitter
) -> Draws:
    """Return draws of colours beside those of turns and flips.

    Args:
        u: (B, COLUMNS), uniform in [0, 1); columns 0 to 5 are for the colours.
        turns: (B,), quarter turns.
        flip: (B,), whether mirrored.
        jitter: of the colours.
    """
    strengths = np.array([jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue])
    unchanged = np.array([1, 1, 1, 0])
    low = np.maximum(0.0, unchanged - strengths)
    low[3] = -jitter.hue
    high = unchanged + strengths
    return Draws(
        turns=turns,
        flip=flip,
        jitter=u[:, 0] < jitter.share,
        factors=low + u[:, 1:5] * (high - low),
        order=ORDERS[(u[:, 5] * 24).astype(int)],
    )
