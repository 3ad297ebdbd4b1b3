"""Which part of a patch the network sees."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcam.data.base import Indices, Pixels
from pcam.data.randomness import Purpose, Stream
from pcam.errors import ConfigError, DataError, suggest

Region = NDArray[np.bool_]
MODES = ("none", "center", "random", "ring")


@dataclass(frozen=True)
class Crop:
    """A square cut out of each patch, or the patch without that of its centre.

    Attributes:
        mode: none, center, random: a place drawn from (seed, epoch, patch), every offset as likely; or ring: the whole patch,
            the square of its centre filled with the mean colour of what is around it.
        size: side of the square, pixels; without effect when ``mode`` is none.
        seed: of the draws.
    """

    mode: str
    size: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConfigError(f"crop: {self.mode} is not known{suggest(self.mode, MODES)}")
        if self.mode != "none" and (self.size is None or self.size < 1):
            raise ConfigError(f"crop.size={self.size}: a {self.mode} crop needs a size in pixels")

    def __call__(self, patches: Pixels, indices: Indices, epoch: int) -> Pixels:
        """Crop a batch.

        Args:
            patches: uint8 (n, H, W, 3).
            indices: (n,) of the patches in their source.
            epoch: of the draws.

        Returns:
            uint8 (n, size, size, 3), of a ring (n, H, W, 3); a view where the place is the same for all.

        Raises:
            DataError: the square is larger than the patches.
        """
        if self.mode == "none" or self.size is None:
            return patches
        height, width = patches.shape[1:3]
        if self.size > min(height, width):
            raise DataError(
                f"crop.size={self.size} is larger than the patches ({width}x{height} pixels)"
            )
        room = np.array([height - self.size, width - self.size])
        if self.mode == "center":
            top, left = room // 2
            return patches[:, top : top + self.size, left : left + self.size]
        if self.mode == "ring":
            return self._ring(patches)
        cut = np.empty((len(patches), self.size, self.size, 3), np.uint8)
        stream = Stream(self.seed, Purpose.CROP)
        for i, index in enumerate(indices):
            top, left = stream.at(epoch, int(index)).integers(room + 1)
            cut[i] = patches[i, top : top + self.size, left : left + self.size]
        return cut

    def _ring(self, patches: Pixels) -> Pixels:
        assert self.size is not None
        square = centre(self.size, *patches.shape[1:3])
        if square.all():
            raise DataError(f"crop.size={self.size}: a ring around all of the patch holds nothing")
        return np.where(square[..., None], mean_colour(patches, ~square), patches)


def centre(side: int, height: int, width: int) -> Region:
    """Return bool (H, W), True in the square of the centre, ``side`` pixels wide."""
    region = np.zeros((height, width), np.bool_)
    top, left = (height - side) // 2, (width - side) // 2
    region[top : top + side, left : left + side] = True
    return region


def mean_colour(patches: Pixels, region: Region) -> Pixels:
    """Return the mean colour of a region of each patch, uint8 (n, 1, 1, 3)."""
    colour: Pixels = np.rint(patches[:, region].mean(1)).astype(np.uint8)
    return colour[:, None, None]
