"""Measures of where a map lies, one number per patch: in a region where the answer is known to be.

Each function takes maps (N, H, W) and a region, bool (N, H, W), and returns float64 (N,).
"""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]


def share(maps: Tensor, region: Tensor) -> Floats:
    """Return the share of each map's absolute values in a region; NaN of an empty map."""
    mass = maps.abs().double()
    return to_array((mass * region).sum((1, 2)) / mass.sum((1, 2)))


def pointing(maps: Tensor, region: Tensor) -> Floats:
    """Return whether each map's largest absolute value lies in a region (Zhang et al. 2018).

    Of several largest values, the share of them in the region; NaN of an empty map.
    """
    mass = maps.abs()
    largest = (mass == mass.amax((1, 2), keepdim=True)) & (mass > 0)
    return to_array((largest & region).sum((1, 2)).double() / largest.sum((1, 2)))


def area(region: Tensor) -> Floats:
    """Return the share of each patch that a region covers.

    It is what ``share`` and ``pointing`` give by chance.
    """
    return to_array(region.double().mean((1, 2)))


def to_array(values: Tensor) -> Floats:
    """Return a tensor as a float64 array."""
    return np.asarray(values.double().cpu().numpy())
