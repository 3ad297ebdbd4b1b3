"""Views of patches: shifted, with noise, or with a region of another patch. uint8 in, uint8 out.

Each random draw is a function of the seed and the patch.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcam.data.base import Indices, Pixels
from pcam.data.crop import Region, mean_colour
from pcam.data.randomness import PositionStream, Purpose, draw
from pcam.errors import ConfigError

Offsets = NDArray[np.int64]

BLUR_SIGMA = 8.0  # pixels: standard deviation of the Gaussian that removes a region's structure
PARTNER_STREAMS = (PositionStream.NEGATIVE_PARTNER, PositionStream.POSITIVE_PARTNER)  # by label


@dataclass(frozen=True)
class View:
    """The part of a patch that a network sees, and how far it can be shifted.

    Attributes:
        height: of the patches, pixels.
        width: of the patches, pixels.
        size: side of the square that is seen; None: the whole patch, which is mirrored at its edges
            when shifted.
        reach: the largest shift of a whole patch, pixels. It has no effect on a square, which can
            be at any place where it fits.
    """

    height: int
    width: int
    size: int | None
    reach: int

    def __post_init__(self) -> None:
        side = min(self.height, self.width)
        if self.size is not None and self.size > side:
            raise ConfigError(
                f"crop.size={self.size} is larger than the patches, "
                f"{self.width}x{self.height} pixels"
            )
        if not 0 < self.reach < side:
            raise ConfigError(
                f"reach={self.reach} is not from 1 to {side - 1}, less than the side of the patches"
            )

    @property
    def low(self) -> Offsets:
        """Smallest offset of rows and columns from the middle, (2,)."""
        if self.size is None:
            return np.array([-self.reach, -self.reach], np.int64)
        return -self._corner

    @property
    def high(self) -> Offsets:
        """Largest offset of rows and columns from the middle, (2,)."""
        if self.size is None:
            return np.array([self.reach, self.reach], np.int64)
        return np.array([self.height, self.width], np.int64) - self.size - self._corner

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the view, pixels."""
        if self.size is None:
            return self.height, self.width
        return self.size, self.size

    @property
    def _corner(self) -> Offsets:
        """Top left corner of the view in the middle of the patch, (2,)."""
        return (np.array([self.height, self.width], np.int64) - self.shape) // 2

    def draw_offsets(self, indices: Indices, seed: int) -> Offsets:
        """Draw an offset for each patch, all offsets with the same probability.

        Args:
            indices: (n,), of the patches in their source.
            seed: of the draws.

        Returns:
            (n, 2), rows and columns from the middle.
        """
        offsets = np.empty((len(indices), 2), np.int64)
        for row, index in enumerate(indices):
            generator = draw(seed, Purpose.POSITION, PositionStream.OFFSET, int(index))
            offsets[row] = generator.integers(self.low, self.high + 1)
        return offsets

    def grid(self, step: int) -> Offsets:
        """Return a grid of offsets (k, 2), ``step`` pixels apart, that includes the middle."""
        rows, columns = (
            np.arange(-(-low // step), high // step + 1) * step
            for low, high in zip(self.low.tolist(), self.high.tolist(), strict=True)
        )
        return np.array([(row, column) for row in rows for column in columns])

    def crop_at(self, patches: NDArray[np.uint8], offsets: Offsets) -> NDArray[np.uint8]:
        """Cut the view out of patches at some offsets.

        Args:
            patches: (n, H, W, C).
            offsets: (n, 2), one of each patch, or (2,), one of all.

        Returns:
            (n, h, w, C).
        """
        height, width = self.shape
        margin = self.reach if self.size is None else 0
        if margin:
            edges = ((0, 0), (margin, margin), (margin, margin), (0, 0))
            patches = np.pad(patches, edges, mode="reflect")
        corners = np.broadcast_to(offsets, (len(patches), 2)) + self._corner + margin
        views = np.empty((len(patches), height, width, patches.shape[-1]), np.uint8)
        for number, (top, left) in enumerate(corners):
            views[number] = patches[number, top : top + height, left : left + width]
        return views

    def contains_centre(self, side: int, offsets: Offsets) -> NDArray[np.bool_]:
        """Return whether the view at each offset contains the whole centre square of its patch.

        Args:
            side: of the centre square, pixels.
            offsets: (n, 2).

        Returns:
            (n,).
        """
        start = (np.array([self.height, self.width]) - side) // 2 - self._corner - offsets
        inside = (start >= 0) & (start + side <= self.shape)
        return np.asarray(inside.all(1))


def rotate_views(views: Pixels) -> Pixels:
    """Rotate views (n, h, w, 3) by 90 degrees."""
    return np.ascontiguousarray(np.rot90(views, 1, (1, 2)))


def add_noise(views: Pixels, indices: Indices, seed: int) -> Pixels:
    """Change each value by -1, 0 or 1 with the same probability: too little to be visible."""
    noisy = np.empty_like(views)
    for number, (view, index) in enumerate(zip(views, indices, strict=True)):
        generator = draw(seed, Purpose.POSITION, PositionStream.NOISE, int(index))
        noise = generator.integers(-1, 2, view.shape)
        noisy[number] = np.clip(view.astype(np.int16) + noise, 0, 255)
    return noisy


def exchange_region(patches: Pixels, others: Pixels, region: Region) -> Pixels:
    """Replace a region of patches (n, H, W, 3) by the same region of other patches."""
    return np.where(region[..., None], others, patches)


def blur_region(patches: Pixels, region: Region) -> Pixels:
    """Remove the structure of a region and keep its colours.

    The region is blurred by itself: no colour from outside flows in.
    """
    import cv2

    def blur(image: NDArray[np.float32]) -> NDArray[np.float32]:
        blurred = cv2.GaussianBlur(image, (0, 0), BLUR_SIGMA, borderType=cv2.BORDER_CONSTANT)
        return np.asarray(blurred, np.float32)

    inside = region.astype(np.float32)
    weight = blur(inside)[..., None]
    sums = np.stack([blur(patch.astype(np.float32) * region[..., None]) for patch in patches])
    smooth = np.rint(sums / np.maximum(weight, 1e-6)).clip(0, 255).astype(np.uint8)
    return exchange_region(patches, smooth, region)


def fill_region(patches: Pixels, region: Region) -> Pixels:
    """Replace a region by its mean colour."""
    return exchange_region(patches, mean_colour(patches, region), region)


def draw_partners(
    labels: NDArray[np.uint8], indices: Indices, label: int, seed: int
) -> NDArray[np.int64]:
    """Draw another patch of a label for each patch.

    Args:
        labels: (n,).
        indices: (n,) of the patches in their source, which the draws depend on.
        label: of the partners.
        seed: of the draws.

    Returns:
        (n,), positions in ``labels``, never the patch itself. Empty if fewer than two patches have
        the label.
    """
    candidates = np.flatnonzero(labels == label)
    if len(candidates) < 2:
        return np.empty(0, np.int64)
    partners = np.empty(len(labels), np.int64)
    for position, index in enumerate(indices):
        others = candidates[candidates != position]
        generator = draw(seed, Purpose.POSITION, PARTNER_STREAMS[label], int(index))
        partners[position] = others[int(generator.integers(len(others)))]
    return partners
