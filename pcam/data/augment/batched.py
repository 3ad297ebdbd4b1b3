"""Augmentation of whole batches, on whatever device they are: for machines whose CPUs are the limit.

The recipes and their distributions are those of ``augment``, albumentations' rounding after each step included; the draws are
others.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pcam.config.tables import build
from pcam.data.base import Indices
from pcam.data.randomness import Purpose, draw
from pcam.errors import ConfigError, DataError

Uniform = NDArray[np.float64]
GREY = (0.299, 0.587, 0.114)  # luma of ITU-R BT.601, OpenCV's grey
ORDERS = np.array(list(permutations(range(4))))
COLUMNS = 9  # uniform numbers that a patch's draw takes


@dataclass(frozen=True)
class Draws:
    """What happens to each patch of a batch, (B,) each; on the CPU, so that nothing has to wait for the device.

    Attributes:
        turns: quarter turns, anticlockwise, 0 to 3.
        flip: then mirrored left to right.
        jitter: whether the colours change.
        factors: float (B, 4), brightness, contrast, saturation (1: unchanged) and hue (share of the circle; 0: unchanged).
        order: (B, 4), in which order these four are applied.
    """

    turns: NDArray[np.int64]
    flip: NDArray[np.bool_]
    jitter: NDArray[np.bool_]
    factors: Uniform
    order: NDArray[np.int64]


class BatchedAugmentation:
    """A recipe for whole batches, drawn anew for each (seed, epoch, patch).

    Args:
        settings: the config's ``aug``.
        seed: of the draws.
        size: patches that there are.

    Raises:
        ConfigError: the recipe has no batched form.
    """

    def __init__(self, settings: Mapping[str, Any], seed: int, size: int) -> None:
        rest = {key: value for key, value in settings.items() if key not in ("name", "batched")}
        if settings.get("name") not in RECIPES:
            raise ConfigError(
                f"aug.batched=true: there is no batched {settings.get('name')}, only {', '.join(RECIPES)}"
            )
        self._recipe, self._settings = RECIPES[settings["name"]], rest
        self.seed, self.size = seed, size
        self._epoch, self._table = -1, np.empty((0, COLUMNS))

    def draws(self, indices: Indices, epoch: int) -> Draws:
        """Return what happens to the patches at ``indices`` in an epoch."""
        if (
            epoch != self._epoch
        ):  # a row per patch of one stream: a row depends on (seed, epoch, index) alone
            self._table = draw(self.seed, Purpose.BATCHED, epoch).random((self.size, COLUMNS))
            self._epoch = epoch
        return build(self._recipe, self._settings, "aug", u=self._table[indices])

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Augment uint8 (B, 3, H, W), channels last in memory, to the same; ``images`` is left as it was."""
        if draws.jitter.any():
            images = jittered(images.float(), draws).to(torch.uint8)
        return rotate_batch(images, draws)


def rotate_batch(x: Tensor, draws: Draws) -> Tensor:
    """Turn and mirror each of (B, C, H, W)."""
    out = torch.empty_like(x)
    for turns in range(4):
        for flip in (False, True):
            rows = np.flatnonzero((draws.turns == turns) & (draws.flip == flip))
            if len(rows) == 0:
                continue
            if turns % 2 and x.shape[-1] != x.shape[-2]:
                raise DataError(
                    "aug: quarter turns need square patches; set a crop, or aug=none or keras"
                )
            at = torch.from_numpy(rows).to(x.device, non_blocking=True)
            some = torch.rot90(x[at], turns, (-2, -1))
            out[at] = some.flip(-1) if flip else some
    return out


def jittered(x: Tensor, draws: Draws) -> Tensor:
    """Change brightness, contrast, saturation and hue of float (B, 3, H, W), each patch in its own order.

    Values are whole numbers from 0 to 255 before and after.
    """
    factors = torch.from_numpy(draws.factors).to(x)
    for place in range(4):
        for what, change in enumerate(CHANGES):
            rows = np.flatnonzero(draws.jitter & (draws.order[:, place] == what))
            if len(rows):
                at = torch.from_numpy(rows).to(x.device, non_blocking=True)
                x[at] = change(x[at], factors[at, what].view(-1, 1, 1, 1)).clamp_(0, 255)
    return x


def _grey(x: Tensor) -> Tensor:
    return (x * x.new_tensor(GREY).view(1, 3, 1, 1)).sum(1, keepdim=True)


def _brightness(x: Tensor, factor: Tensor) -> Tensor:
    return (x * factor).floor_()  # albumentations' table of 256 values cuts off


def _contrast(x: Tensor, factor: Tensor) -> Tensor:
    mean = _grey(x).round_().mean((-2, -1), keepdim=True)
    return torch.lerp(mean.expand_as(x), x, factor.expand_as(x)).floor_()


def _saturation(x: Tensor, factor: Tensor) -> Tensor:
    return torch.lerp(_grey(x).round_().expand_as(x), x, factor.expand_as(x)).round_()


def _hue(x: Tensor, turn: Tensor) -> Tensor:
    """Turn the hue, with value and saturation (of HSV) as they are."""
    value, _ = x.max(1, keepdim=True)
    chroma = value - x.amin(1, keepdim=True)
    red, green, blue = (x[:, channel : channel + 1] for channel in range(3))
    safe = chroma.clamp_min(1e-6)
    hue = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )  # in sixths of the circle
    hue = hue + 6 * turn
    # f(n) = V - C max(0, min(k, 4 - k, 1)), k = (n + hue) mod 6, for n = 5, 3, 1 (the closed form of HSV to RGB)
    k = (x.new_tensor([5.0, 3.0, 1.0]).view(1, 3, 1, 1) + hue).remainder(6)
    return (value - chroma * torch.minimum(k, 4 - k).clamp(0, 1)).round_()


CHANGES: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (
    _brightness,
    _contrast,
    _saturation,
    _hue,
)


def _drawn(
    u: Uniform,
    turns: NDArray[np.int64],
    flip: NDArray[np.bool_],
    share: float,
    strengths: tuple[float, ...],
) -> Draws:
    """Return draws whose colours change in ``share`` of the patches; columns 0 to 5 of ``u`` are for the colours."""
    low = np.maximum(0.0, np.array([1, 1, 1, 0]) - np.array(strengths)) - np.array(
        [0, 0, 0, strengths[3]]
    )
    high = np.array([1, 1, 1, 0]) + np.array(strengths)
    return Draws(
        turns,
        flip,
        u[:, 0] < share,
        low + u[:, 1:5] * (high - low),
        ORDERS[(u[:, 5] * 24).astype(int)],
    )


def _dihedral(u: Uniform) -> Draws:
    return _drawn(u, (u[:, 6] * 4).astype(int), u[:, 7] < 0.5, 0.0, (0.0, 0.0, 0.0, 0.0))


def _dihedral_color(
    u: Uniform, brightness: float, contrast: float, saturation: float, hue: float
) -> Draws:
    return _drawn(
        u, (u[:, 6] * 4).astype(int), u[:, 7] < 0.5, 1.0, (brightness, contrast, saturation, hue)
    )


def _paper(
    u: Uniform,
    jitter_share: float,
    brightness: float,
    contrast: float,
    saturation: float,
    hue: float,
) -> Draws:
    which = (u[:, 8] * 3).astype(int)  # rotation, flip, or rotation and flip
    flip, upright = which > 0, u[:, 7] < 0.5
    turns = np.where(which != 1, (u[:, 6] * 4).astype(int), 0)
    # upside down is half a turn and a mirror
    turns = (turns + np.where(flip & ~upright, 2, 0)) % 4
    return _drawn(u, turns, flip, jitter_share, (brightness, contrast, saturation, hue))


RECIPES: Mapping[str, Callable[..., Draws]] = {
    "dihedral": _dihedral,
    "dihedral_color": _dihedral_color,
    "paper": _paper,
}
