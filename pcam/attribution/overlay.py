"""A map of a patch in colour, over the patch in faint grey."""

import numpy as np
from numpy.typing import NDArray

from pcam.data.base import Pixels

PERCENTILE = 99.5  # of a map's magnitudes, where the colour scale ends
COLOURS = "RdBu_r"  # blue, white, red
FAINT = 0.6  # how much white is mixed into the grey patch below a map
OPACITY = 0.9  # of the highest values of a map
WHITE = 255


def draw_overlay(patch: Pixels, values: NDArray[np.float32]) -> Pixels:
    """Draw a map over its patch: red where it is above zero, blue where it is below.

    Args:
        patch: uint8 (H, W, 3).
        values: (H, W), the map. Its colours reach to its own largest magnitudes.

    Returns:
        uint8 (H, W, 3).
    """
    from matplotlib import colormaps

    magnitude = np.abs(values)
    end = float(np.percentile(magnitude, PERCENTILE)) or float(magnitude.max()) or 1.0
    share = np.clip(values / end, -1, 1)
    colour = colormaps[COLOURS](0.5 + share / 2)[..., :3] * WHITE
    grey = patch.mean(axis=2, keepdims=True)
    faint = FAINT * WHITE + (1 - FAINT) * grey
    opacity = OPACITY * np.abs(share)[..., None] ** 0.7
    mixed = opacity * colour + (1 - opacity) * faint
    return np.asarray(np.rint(mixed), np.uint8)
