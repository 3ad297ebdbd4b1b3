"""Stains of a patch: how much haematoxylin, eosin and DAB it has.

Light passes a stain by exp(-density), and the densities of stains add up (Beer and Lambert). So a
colour is taken apart into amounts of three stains (Ruifrok and Johnston, Anal. Quant. Cytol.
Histol. 2001), each amount is scaled and shifted, and the colour is put together again (Tellez et
al., IEEE Trans. Med. Imaging 2018). All of that is one affine map of the densities.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]
# Density of each stain (rows: haematoxylin, eosin, DAB) in red, green and blue.
STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
STAINS /= np.linalg.norm(STAINS, axis=1, keepdims=True)
# Density of each value of a channel; black has that of 1, as its own would be infinite.
DENSITIES = -np.log(np.maximum(np.arange(256), 1) / 255)


def density_map(factors: Floats, shifts: Floats) -> tuple[Floats, Floats]:
    """Return the map of densities that changes the amounts of the three stains.

    Args:
        factors: (..., 3), of the amounts.
        shifts: (..., 3), added to the amounts; in natural units of density.

    Returns:
        Matrix (..., 3, 3) and offset (..., 1, 3): ``density @ matrix + offset``.
    """
    matrix = np.linalg.inv(STAINS) @ (factors[..., :, None] * STAINS)
    return matrix, shifts[..., None, :] @ STAINS


def change_stains(images: Tensor, factors: Floats, shifts: Floats) -> Tensor:
    """Change the amounts of the stains of each image.

    Args:
        images: uint8 (B, 3, H, W), channels last in memory; not changed.
        factors: (B, 3), of the amounts of haematoxylin, eosin and DAB.
        shifts: (B, 3), added to them.

    Returns:
        uint8 (B, 3, H, W), channels last in memory.
    """
    device = images.device
    matrix, offset = (
        torch.from_numpy(part.astype(np.float32)).to(device, non_blocking=True)
        for part in density_map(factors, shifts)
    )
    table = torch.from_numpy(DENSITIES.astype(np.float32)).to(device, non_blocking=True)
    pixels = images.permute(0, 2, 3, 1)  # as they are in memory
    densities = table[pixels.flatten(1, 2).int()]
    changed = torch.baddbmm(offset, densities, matrix)
    light = changed.neg_().exp_().mul_(255).round_().clamp_(0, 255)
    return light.to(torch.uint8).view(pixels.shape).permute(0, 3, 1, 2)
