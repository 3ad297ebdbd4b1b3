"""Augmentation of whole batches on any device, for machines whose CPUs are the bottleneck.

Recipes and distributions are those of ``recipes``, including albumentations' rounding after each
step; the draws differ.
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pcam.config import registry
from pcam.config.sections import AugConfig
from pcam.data.augment.augmentation import SQUARE_NEEDED
from pcam.data.augment.draws import COLUMNS, DrawRecipe, Draws
from pcam.data.augment.stains import change_stains
from pcam.data.base import Indices
from pcam.data.randomness import Purpose, draw
from pcam.errors import DataError

AnyNumber = TypeVar("AnyNumber", bound=np.generic)
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
        self._columns: int = entry.details.get("columns", COLUMNS)
        self._config = config
        self.seed = seed
        self.size = size
        self._epoch = -1
        self._tables: list[NDArray[np.float64]] = []

    def draws(self, numbers: Indices, epoch: int) -> Draws:
        """Return what happens to patches in an epoch.

        Args:
            numbers: (n,), of each patch's draws; see ``BatchRequest``.
            epoch: of the draws.
        """
        if epoch != self._epoch:
            self._tables = []
            self._epoch = epoch
        repeats, rows = np.divmod(numbers, self.size)
        uniform = np.empty((len(numbers), self._columns))
        for repeat in range(int(repeats.max(initial=0)) + 1):
            chosen = repeats == repeat
            uniform[chosen] = self._table(repeat)[rows[chosen]]
        return self._recipe(uniform, self._config)

    def _table(self, repeat: int) -> NDArray[np.float64]:
        """Return the uniform numbers of all patches in the current epoch.

        Args:
            repeat: how often an epoch has had the patch before.

        Returns:
            (size, columns); a row depends on (seed, epoch, index) alone.
        """
        while len(self._tables) <= repeat:
            stream = draw(self.seed, Purpose.BATCHED, self._epoch, len(self._tables))
            self._tables.append(stream.random((self.size, self._columns)))
        return self._tables[repeat]

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Augment images, uint8 (B, 3, H, W), channels last in memory; ``images`` is not changed.

        Raises:
            DataError: quarter turns are drawn and the images are not square.
        """
        if draws.stains is not None:
            factors, shifts = draws.stains[:, 0], draws.stains[:, 1]
            images = change_stains(images, factors, shifts)
        if draws.jitter.any():
            images = jitter_colours(images, draws)
        return rotate_batch(images, draws)


def send(values: NDArray[AnyNumber], device: torch.device) -> Tensor:
    """Return an array on a device, without waiting for it."""
    tensor = torch.from_numpy(np.ascontiguousarray(values))
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def rotate_batch(images: Tensor, draws: Draws) -> Tensor:
    """Rotate and mirror each of (B, C, H, W) as drawn; see ``symmetries.rotate``.

    A quarter turn anticlockwise is a transposition and a flip upside down.

    Raises:
        DataError: quarter turns are drawn and the images are not square.
    """
    transposed = draws.turns % 2 == 1
    upside_down = (draws.turns == 1) | (draws.turns == 2)
    mirrored = (draws.turns >= 2) ^ draws.flip
    if transposed.any() and images.shape[-1] != images.shape[-2]:
        raise DataError(SQUARE_NEEDED)
    flags = send(np.stack([~transposed, ~upside_down, ~mirrored]), images.device)
    upright, upwards, unmirrored = flags[:, :, None, None, None]
    x = images.permute(0, 2, 3, 1)  # as it is in memory; the first operand decides the result's
    if transposed.any():
        x = torch.where(upright, x, x.transpose(1, 2))
    x = torch.where(upwards, x, x.flip(1))
    x = torch.where(unmirrored, x, x.flip(2))
    return x.permute(0, 3, 1, 2)


def jitter_colours(images: Tensor, draws: Draws) -> Tensor:
    """Change brightness, contrast, saturation and hue, in each patch's own order.

    At each of the four places of the order, patches with the same change are put side by side, so a
    change is calculated for all of them together.

    Args:
        images: uint8 (B, 3, H, W); not changed.
        draws: of the patches.

    Returns:
        uint8 (B, 3, H, W), channels last in memory.
    """
    rows = np.flatnonzero(draws.jitter)
    moves, counts, final = sort_by_change(draws.order[rows])
    source = np.arange(len(images))  # of each patch: itself, or a row of those that are changed
    source[rows[final]] = len(images) + np.arange(len(rows))
    sent = send(np.stack([*moves, rows]), images.device)
    factors = send(draws.factors[rows].astype(np.float32), images.device)
    pixels = images.permute(0, 2, 3, 1)  # as they are in memory
    x = pixels[sent[4]].permute(0, 3, 1, 2).float()
    for place, move in enumerate(sent[:4]):
        x, factors = x[move], factors[move]
        parts = torch.split(x, counts[place])
        changed = []
        for number, (change, part) in enumerate(zip(CHANGES, parts, strict=True)):
            factor = factors[_slice_of(counts[place], number), number].view(-1, 1, 1, 1)
            changed.append(change(part, factor).clamp_(0, 255))
        x = torch.cat(changed)
    # no scatter: its deterministic form sorts
    both = torch.cat([pixels, x.to(torch.uint8).permute(0, 2, 3, 1)])
    return both[send(source, images.device)].permute(0, 3, 1, 2)


def sort_by_change(
    order: NDArray[np.int64],
) -> tuple[list[Indices], list[list[int]], Indices]:
    """Return how patches are moved, so that those with the same change are side by side.

    Args:
        order: (n, 4), the changes of each patch in their order.

    Returns:
        For each of the four places the rows to take, (n,), from those of the place before, and the
        number of patches with each change; and which patch each row is at the end, (n,).
    """
    current = np.arange(len(order))
    moves, counts = [], []
    for place in range(4):
        changes = order[current, place]
        move = np.argsort(changes, kind="stable")
        moves.append(move)
        counts.append(np.bincount(changes, minlength=4).tolist())
        current = current[move]
    return moves, counts, current


def _slice_of(counts: list[int], number: int) -> slice:
    start = sum(counts[:number])
    return slice(start, start + counts[number])


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
