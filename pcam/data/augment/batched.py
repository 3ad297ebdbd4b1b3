"""Augmentation of whole batches on any device, for machines whose CPUs are the bottleneck.

Recipes and distributions are those of ``recipes``, including albumentations' rounding after each
step; the draws differ.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from pcam.config import registry
from pcam.config.sections import AugConfig
from pcam.data.augment.augmentation import SQUARE_NEEDED
from pcam.data.augment.draws import COLUMNS, DrawRecipe, Draws
from pcam.data.base import Indices
from pcam.data.randomness import Purpose, draw
from pcam.data.symmetries import rotate
from pcam.errors import DataError

GREY = (0.299, 0.587, 0.114)  # luma of ITU-R BT.601, as OpenCV's grey


class BatchedAugmentation:
    """A recipe for whole batches, drawn anew for each (seed, epoch, patch).

    Args:
        config: the config's ``aug``; its recipe has a batched form.
        seed: of the draws.
        size: number of patches.
    """

    def __init__(self, config: AugConfig, seed: int, size: int) -> None:
        entry = registry.augmentations.get(config.name)
        self._recipe: DrawRecipe[AugConfig] = entry.details["batched"]
        self._config = config
        self.seed = seed
        self.size = size
        self._epoch = -1
        self._table = np.empty((0, COLUMNS))

    def draws(self, indices: Indices, epoch: int) -> Draws:
        """Return what happens to the patches at ``indices`` in an epoch."""
        if epoch != self._epoch:
            # a row per patch of one stream: a row depends on (seed, epoch, index) alone
            stream = draw(self.seed, Purpose.BATCHED, epoch)
            self._table = stream.random((self.size, COLUMNS))
            self._epoch = epoch
        return self._recipe(self._table[indices], self._config)

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Augment images, uint8 (B, 3, H, W), channels last in memory; ``images`` is not changed.

        Raises:
            DataError: quarter turns are drawn and the images are not square.
        """
        if draws.jitter.any():
            images = jitter_colours(images.float(), draws).to(torch.uint8)
        return rotate_batch(images, draws)


def rotate_batch(images: Tensor, draws: Draws) -> Tensor:
    """Rotate and mirror each of (B, C, H, W) as drawn."""
    out = torch.empty_like(images)
    for turns in range(4):
        for flip in (False, True):
            rows = np.flatnonzero((draws.turns == turns) & (draws.flip == flip))
            if len(rows) == 0:
                continue
            if turns % 2 and images.shape[-1] != images.shape[-2]:
                raise DataError(SQUARE_NEEDED)
            at = torch.from_numpy(rows).to(images.device, non_blocking=True)
            out[at] = rotate(images[at], (turns, flip))
    return out


def jitter_colours(images: Tensor, draws: Draws) -> Tensor:
    """Change brightness, contrast, saturation and hue, in each patch's own order.

    Args:
        images: float (B, 3, H, W), whole numbers from 0 to 255; changed in place.
        draws: of the patches.

    Returns:
        ``images``, again whole numbers from 0 to 255.
    """
    factors = torch.from_numpy(draws.factors).to(images)
    for position in range(4):
        for number, change in enumerate(CHANGES):
            rows = np.flatnonzero(draws.jitter & (draws.order[:, position] == number))
            if len(rows) == 0:
                continue
            at = torch.from_numpy(rows).to(images.device, non_blocking=True)
            factor = factors[at, number].view(-1, 1, 1, 1)
            images[at] = change(images[at], factor).clamp_(0, 255)
    return images


def _to_grey(images: Tensor) -> Tensor:
    return (images * images.new_tensor(GREY).view(1, 3, 1, 1)).sum(1, keepdim=True)


def _change_brightness(images: Tensor, factor: Tensor) -> Tensor:
    return (images * factor).floor_()  # albumentations' table of 256 values cuts off


def _change_contrast(images: Tensor, factor: Tensor) -> Tensor:
    mean = _to_grey(images).round_().mean((-2, -1), keepdim=True)
    return torch.lerp(mean.expand_as(images), images, factor.expand_as(images)).floor_()


def _change_saturation(images: Tensor, factor: Tensor) -> Tensor:
    grey = _to_grey(images).round_()
    return torch.lerp(grey.expand_as(images), images, factor.expand_as(images)).round_()


def _change_hue(images: Tensor, turn: Tensor) -> Tensor:
    """Turn the hue by a share of the circle; value and saturation (of HSV) stay as they are."""
    value, _ = images.max(1, keepdim=True)
    chroma = value - images.amin(1, keepdim=True)
    red, green, blue = (images[:, channel : channel + 1] for channel in range(3))
    safe = chroma.clamp_min(1e-6)
    # in sixths of the circle, by the channel that has the highest value
    hue_if_green = 2 + (blue - red) / safe
    hue_if_blue = 4 + (red - green) / safe
    hue = torch.where(value == green, hue_if_green, hue_if_blue)
    hue = torch.where(value == red, (green - blue) / safe, hue)
    hue = hue + 6 * turn
    # f(n) = V - C max(0, min(k, 4 - k, 1)), k = (n + hue) mod 6, for n = 5, 3, 1: HSV to RGB
    k = (images.new_tensor([5.0, 3.0, 1.0]).view(1, 3, 1, 1) + hue).remainder(6)
    return (value - chroma * torch.minimum(k, 4 - k).clamp(0, 1)).round_()


CHANGES: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (
    _change_brightness,
    _change_contrast,
    _change_saturation,
    _change_hue,
)
