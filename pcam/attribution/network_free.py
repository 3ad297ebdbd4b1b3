"""Maps that use no network: what a method has to beat."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from pcam.attribution.randomness import draw
from pcam.data.randomness import AttributionStream


def centre_gaussian(x: Tensor, index: Tensor) -> Tensor:
    """Return a Gaussian over the centre, (B, H, W), the same for every patch.

    Its standard deviation is a sixth of the patch.
    """
    height, width = x.shape[-2:]
    rows = _centred_range(height, x.device) / height
    columns = _centred_range(width, x.device) / width
    gaussian = torch.exp(-18 * (rows[:, None] ** 2 + columns**2))
    return gaussian.expand(len(x), -1, -1)


def _centred_range(size: int, device: torch.device) -> Tensor:
    return torch.arange(size, dtype=torch.float32, device=device) - (size - 1) / 2


def edges(x: Tensor, index: Tensor) -> Tensor:
    """Return the strength of edges, (B, H, W): Sobel's two filters on the channels' mean."""
    horizontal = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
    vertical = [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]
    filters = x.new_tensor([horizontal, vertical])[:, None]
    grey = F.pad(x.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    strength: Tensor = torch.linalg.vector_norm(F.conv2d(grey, filters), dim=1)
    return strength


def random_ranks(shape: Sequence[int], seed: int, index: NDArray[np.int64]) -> Tensor:
    """Return maps (N, H, W) whose values are a random order, drawn by (seed, patch)."""
    size = int(np.prod(shape))
    ranks = []
    for patch in index:
        rng = draw(seed, AttributionStream.RANDOM_MAP, int(patch))
        ranks.append(rng.permutation(size).reshape(shape))
    return torch.from_numpy(np.stack(ranks)).float()
