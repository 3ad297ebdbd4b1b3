"""Views of patches, moved, turned, disturbed, or with a part of another patch: uint8 in, uint8 out.

Every draw is a function of (seed, patch), as everywhere.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcam.data.base import Indices, Pixels
from pcam.data.crop import Region, mean_colour
from pcam.data.randomness import Purpose, draw
from pcam.errors import ConfigError

Offsets = NDArray[np.int64]

BLUR = 8.0  # pixels: deviation of the Gaussian that takes a region's structure away


@dataclass(frozen=True)
class View:
    """What a network sees of a patch, and how far that can be moved.

    Attributes:
        height: of the patches, pixels.
        width: of the patches, pixels.
        size: side of the square that is seen; None: the whole patch, beyond whose edges it goes on mirrored.
        reach: how far a whole patch can be moved, pixels; without effect on a square, which can go wherever it fits.
    """

    height: int
    width: int
    size: int | None
    reach: int

    def __post_init__(self) -> None:
        most = min(self.height, self.width)
        if self.size is not None and self.size > most:
            raise ConfigError(
                f"crop.size={self.size} is larger than the patches ({self.width}x{self.height} pixels)"
            )
        if not 0 < self.reach < most:
            raise ConfigError(
                f"reach={self.reach}; it is from 1 to {most - 1}, less than the patches' side"
            )

    @property
    def low(self) -> Offsets:
        """The least offset from the middle, rows and columns."""
        return -np.array([self.reach] * 2 if self.size is None else self._corner, np.int64)

    @property
    def high(self) -> Offsets:
        """The largest."""
        if self.size is None:
            return np.array([self.reach] * 2, np.int64)
        return np.array([self.height, self.width], np.int64) - self.size - self._corner

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of what is seen."""
        return (self.height, self.width) if self.size is None else (self.size, self.size)

    @property
    def _corner(self) -> Offsets:
        return (np.array([self.height, self.width], np.int64) - self.shape) // 2

    def drawn(self, indices: Indices, seed: int) -> Offsets:
        """Draw where patches are seen from, every place as likely: (n, 2), rows and columns from the middle."""
        places = [
            draw(seed, Purpose.POSITION, 0, int(i)).integers(self.low, self.high + 1)
            for i in indices
        ]
        return np.array(places, np.int64).reshape(-1, 2)

    def grid(self, step: int) -> tuple[Offsets, Offsets]:
        """Return the offsets of rows and of columns, ``step`` apart, the middle among them."""
        rows, columns = (
            np.arange(-(-low // step), high // step + 1) * step
            for low, high in zip(self.low.tolist(), self.high.tolist(), strict=True)
        )
        return rows, columns

    def at(self, patches: NDArray[np.uint8], offsets: Offsets) -> NDArray[np.uint8]:
        """Return what is seen of patches (n, H, W, C), each from its offset (n, 2) or all from one (2,): (n, h, w, C)."""
        height, width = self.shape
        edge = self.reach if self.size is None else 0
        padded = (
            np.pad(patches, ((0, 0), (edge, edge), (edge, edge), (0, 0)), mode="reflect")
            if edge
            else patches
        )
        corners = np.broadcast_to(offsets, (len(patches), 2)) + self._corner + edge
        seen = np.empty((len(patches), height, width, patches.shape[-1]), np.uint8)
        for one, patch, (top, left) in zip(seen, padded, corners, strict=True):
            one[:] = patch[top : top + height, left : left + width]
        return seen

    def holds(self, side: int, offsets: Offsets) -> NDArray[np.bool_]:
        """Tell, for offsets (n, 2), whether the patch's centre square lies wholly in what is seen."""
        start = (np.array([self.height, self.width]) - side) // 2 - self._corner - offsets
        return np.asarray(((start >= 0) & (start + side <= self.shape)).all(1))


def rotate_views(views: Pixels) -> Pixels:
    """Turn by 90 degrees, (n, h, w, 3)."""
    return np.ascontiguousarray(np.rot90(views, 1, (1, 2)))


def add_noise(views: Pixels, indices: Indices, seed: int) -> Pixels:
    """Change every value by -1, 0 or 1, as likely: less than any eye or scanner would see."""
    changed = np.empty_like(views)
    for one, view, index in zip(changed, views, indices, strict=True):
        noise = draw(seed, Purpose.POSITION, 1, int(index)).integers(-1, 2, view.shape)
        one[:] = np.clip(view.astype(np.int16) + noise, 0, 255)
    return changed


def exchange_region(patches: Pixels, others: Pixels, region: Region) -> Pixels:
    """Put a region of other patches, each its own, into patches (n, H, W, 3)."""
    return np.where(region[..., None], others, patches)


def blur_region(patches: Pixels, region: Region) -> Pixels:
    """Take a region's structure away and leave its colours: blurred by itself, nothing of what is around it flows in."""
    import cv2

    weight = cv2.GaussianBlur(
        region.astype(np.float32), (0, 0), BLUR, borderType=cv2.BORDER_CONSTANT
    )[..., None]
    smooth = [
        cv2.GaussianBlur(
            patch.astype(np.float32) * region[..., None],
            (0, 0),
            BLUR,
            borderType=cv2.BORDER_CONSTANT,
        )
        for patch in patches
    ]
    soft = np.rint(np.stack(smooth) / np.maximum(weight, 1e-6)).clip(0, 255).astype(np.uint8)
    return exchange_region(patches, soft, region)


def fill_region(patches: Pixels, region: Region) -> Pixels:
    """Leave of a region its mean colour alone."""
    return exchange_region(patches, mean_colour(patches, region), region)


def partners(
    labels: NDArray[np.uint8], indices: Indices, label: int, seed: int
) -> NDArray[np.int64]:
    """Draw for each patch another one of a label, whose part it is given.

    Args:
        labels: (n,).
        indices: (n,) of the patches in their source, to which the draws belong.
        label: of the partners.
        seed: of the draws.

    Returns:
        (n,), places in ``labels``; never the patch itself. Empty where there are no two such patches.
    """
    some = np.flatnonzero(labels == label)
    if len(some) < 2:
        return np.empty(0, np.int64)
    found = np.empty(len(labels), np.int64)
    for i, index in enumerate(indices):
        pick = int(
            draw(seed, Purpose.POSITION, 2 + label, int(index)).integers(
                len(some) - int(labels[i] == label)
            )
        )
        found[i] = some[pick] if labels[i] != label or some[pick] < i else some[pick + 1]
    return found
