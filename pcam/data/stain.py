"""The stain of patches as numbers: mean optical density, and how much of it is haematoxylin."""

import numpy as np

from pcam.data.augment.stains import STAINS, Floats
from pcam.data.base import Pixels

LEAST_DENSITY = 0.15  # optical density of a pixel that is no glass


def mean_density(patches: Pixels) -> Floats:
    """Return the mean optical density of pixels that are no glass, float64 (3,).

    Args:
        patches: uint8 (N, H, W, 3).
    """
    density = -np.log(np.maximum(patches.reshape(-1, 3), 1) / 255.0)
    stained = density[density.mean(axis=1) > LEAST_DENSITY]
    return np.asarray((stained if len(stained) else density).mean(axis=0), np.float64)


def haematoxylin_share(patches: Pixels) -> Floats:
    """Return how much of the haematoxylin and eosin of each patch is haematoxylin, float64 (N,).

    The mean density of a patch is taken apart into haematoxylin, eosin and DAB as by
    ``pcam.data.augment.stains``; an amount below zero counts as zero.

    Args:
        patches: uint8 (N, H, W, 3).

    Returns:
        From 0, eosin only, to 1, haematoxylin only; NaN for a patch that has neither.
    """
    density = np.stack([mean_density(patch[None]) for patch in patches])
    amounts = np.maximum(density @ np.linalg.inv(STAINS), 0)
    both = amounts[:, 0] + amounts[:, 1]
    share = np.full(len(patches), np.nan)
    np.divide(amounts[:, 0], both, out=share, where=both > 0)
    return share
