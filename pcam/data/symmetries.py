"""The eight symmetries of a square.

A symmetry is a number of quarter turns, anticlockwise, and whether the image is then mirrored left
to right.
"""

import torch
from torch import Tensor

Symmetry = tuple[int, bool]

D4: tuple[Symmetry, ...] = tuple(
    (turns, mirrored) for turns in range(4) for mirrored in (False, True)
)


def rotate(images: Tensor, symmetry: Symmetry) -> Tensor:
    """Return images (..., H, W) rotated, then mirrored, by a symmetry."""
    turns, mirrored = symmetry
    if turns:
        images = torch.rot90(images, turns, (-2, -1))
    if mirrored:
        images = images.flip(-1)
    return images


def rotate_back(images: Tensor, symmetry: Symmetry) -> Tensor:
    """Return the images that `rotate` was given; the inverse of the symmetry."""
    turns, mirrored = symmetry
    if mirrored:
        images = images.flip(-1)
    if turns:
        images = torch.rot90(images, -turns, (-2, -1))
    return images
