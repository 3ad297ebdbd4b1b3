"""Crops: which part of a patch the network sees."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcam.config.sections import CropMode
from pcam.data.base import Indices, Pixels
from pcam.data.randomness import Purpose, Stream
from pcam.errors import DataError

Region = NDArray[np.bool_]


@dataclass(frozen=True)
class Crop:
    """A square cut out of each patch, or the patch without its centre square.

    Attributes:
        mode: "none", the whole patch; "center"; "random", a place drawn uniformly from (seed,
            epoch, patch); or "ring", the whole patch with its centre square filled with the mean
            colour of the rest.
        size: side of the square in pixels; unused if ``mode`` is "none".
        seed: of the draws.
    """

    mode: CropMode
    size: int | None = None
    seed: int = 0

    @property
    def cuts(self) -> bool:
        """Whether it makes patches smaller."""
        return self.mode in ("center", "random")

    def size_after(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return height and width of cropped patches, from those of whole ones, pixels."""
        if self.cuts and self.size is not None:
            return self.size, self.size
        return size

    def __call__(self, patches: Pixels, draws: Indices, epoch: int) -> Pixels:
        """Crop a batch.

        Args:
            patches: uint8 (n, H, W, 3).
            draws: (n,), the number of each patch's draws; see ``BatchRequest``.
            epoch: of the draws.

        Returns:
            uint8 (n, size, size, 3), for a ring (n, H, W, 3); a view where all places are the same.

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
        if self.mode == "ring":
            return hide_centre(patches, self.size)
        if self.mode == "random":
            return self._cut_at_random(patches, draws, epoch, self.size)
        top, left = (height - self.size) // 2, (width - self.size) // 2
        return patches[:, top : top + self.size, left : left + self.size]

    def _cut_at_random(self, patches: Pixels, draws: Indices, epoch: int, size: int) -> Pixels:
        room = np.array(patches.shape[1:3]) - size
        corners = self.draw_corners(room, draws, epoch)
        cut = np.empty((len(patches), size, size, 3), np.uint8)
        for i, (top, left) in enumerate(corners):
            cut[i] = patches[i, top : top + size, left : left + size]
        return cut

    def draw_corners(
        self, room: NDArray[np.int64], draws: Indices, epoch: int
    ) -> NDArray[np.int64]:
        """Return the places of random crops, (n, 2): top and left.

        Args:
            room: (2,), the largest top and left.
            draws: (n,), the number of each patch's draws; see ``BatchRequest``.
            epoch: of the draws.
        """
        stream = Stream(self.seed, Purpose.CROP)
        corners = np.empty((len(draws), 2), np.int64)
        for i, number in enumerate(draws):
            corners[i] = stream.at(epoch, int(number)).integers(room + 1)
        return corners


def describe_crop(crop: Crop) -> str:
    """Return what a network sees of a patch, as a phrase."""
    if crop.mode == "none" or crop.size is None:
        return "the whole patch"
    if crop.mode == "ring":
        return f"the centre {crop.size} pixels filled with the mean colour of the rest"
    place = "centre" if crop.mode == "center" else "random"
    return f"the {place} {crop.size} pixels"


def hide_centre(patches: Pixels, side: int) -> Pixels:
    """Return patches with their centre square filled with the mean colour of the rest.

    Raises:
        DataError: the square covers the whole patch.
    """
    square = centre_square(side, *patches.shape[1:3])
    if square.all():
        raise DataError(f"crop.size={side}: a ring around the whole patch is empty")
    return np.where(square[..., None], mean_colour(patches, ~square), patches)


def centre_square(side: int, height: int, width: int) -> Region:
    """Return bool (H, W), True in the centre square of ``side`` pixels."""
    region = np.zeros((height, width), np.bool_)
    top, left = (height - side) // 2, (width - side) // 2
    region[max(top, 0) : top + side, max(left, 0) : left + side] = True
    return region


def mean_colour(patches: Pixels, region: Region) -> Pixels:
    """Return the mean colour of a region of each patch, uint8 (n, 1, 1, 3)."""
    colour: Pixels = np.rint(patches[:, region].mean(1)).astype(np.uint8)
    return colour[:, None, None]
