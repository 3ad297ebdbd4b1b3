"""A slide at one resolution, as if it had a level of exactly that many micrometres per pixel."""

import math
from collections import OrderedDict

import numpy as np

from pcam.data.base import Pixels
from pcam.slides.slide import Slide

SAME = 0.02  # a level whose pixels are this close to the wanted size is used as it is
MOST_READ = 2048  # pixels of a level that a block is resampled from, per side
MOST_SIDE = 1024  # pixels of a block's side
LEAST_SIDE = 16
CACHED = 64 << 20  # bytes of blocks that are kept
WHITE = 255


class SlideView:
    """A slide at one resolution.

    Pixels come from the nearest level that is at least as fine, resampled if its pixels differ in
    size by more than 2 %. They are read in blocks on a fixed grid: what a pixel looks like depends
    neither on the region that it is read with nor on what was read before.

    Args:
        slide: the slide.
        slide_mpp: its micrometres per pixel at level 0.
        mpp: the wanted micrometres per pixel.

    Attributes:
        level: number of the level that is read.
        mpp: micrometres per pixel of the view; those of the level where it is used as it is.
        scale: pixels of level 0 per pixel of the view.
        width: pixels.
        height: pixels.
    """

    def __init__(self, slide: Slide, slide_mpp: float, mpp: float) -> None:
        self.slide = slide
        self.level = _nearest_level(slide, slide_mpp, mpp)
        level = slide.levels[self.level]
        ratio = mpp / (slide_mpp * level.downsample)
        self._ratio = 1.0 if abs(ratio - 1) <= SAME else ratio  # pixels of the level per pixel
        self.scale = level.downsample * self._ratio
        self.mpp = slide_mpp * self.scale
        self.width = max(1, int(level.width / self._ratio))
        self.height = max(1, int(level.height / self._ratio))
        self._side = block_side(self._ratio)
        self._blocks: OrderedDict[tuple[int, int], Pixels] = OrderedDict()

    @property
    def is_enlarged(self) -> bool:
        """Whether the slide is coarser than the view."""
        return self._ratio < 1

    @property
    def block_side(self) -> int:
        """Pixels of a block's side: patches of one block are best read one after the other."""
        return self._side

    def read(self, left: int, top: int, width: int, height: int) -> Pixels:
        """Return a region, white outside of the slide.

        Args:
            left: pixels of the view; so are the next three.
            top: likewise.
            width: likewise.
            height: likewise.

        Returns:
            uint8 (height, width, 3).

        Raises:
            DataError: the file is damaged there.
        """
        region = np.full((height, width, 3), WHITE, np.uint8)
        first_row, first_column = max(top, 0) // self._side, max(left, 0) // self._side
        last_row = (min(top + height, self.height) - 1) // self._side
        last_column = (min(left + width, self.width) - 1) // self._side
        for row in range(first_row, last_row + 1):
            for column in range(first_column, last_column + 1):
                self._copy(region, left, top, row, column)
        return region

    def _copy(self, region: Pixels, left: int, top: int, row: int, column: int) -> None:
        """Copy the part of a block that is in a region whose corner is at left and top."""
        block = self._block(row, column)
        block_top, block_left = row * self._side, column * self._side
        first_y, first_x = max(top, block_top), max(left, block_left)
        end_y = min(top + region.shape[0], block_top + block.shape[0])
        end_x = min(left + region.shape[1], block_left + block.shape[1])
        if first_y >= end_y or first_x >= end_x:
            return
        target = (slice(first_y - top, end_y - top), slice(first_x - left, end_x - left))
        rows = slice(first_y - block_top, end_y - block_top)
        columns = slice(first_x - block_left, end_x - block_left)
        region[target] = block[rows, columns]

    def _block(self, row: int, column: int) -> Pixels:
        """Return a block, which the last few are kept of."""
        key = (row, column)
        if key in self._blocks:
            self._blocks.move_to_end(key)
            return self._blocks[key]
        block = self._read_block(row, column)
        self._blocks[key] = block
        most = max(4, CACHED // (3 * self._side**2))
        while len(self._blocks) > most:
            self._blocks.popitem(last=False)
        return block

    def _read_block(self, row: int, column: int) -> Pixels:
        left, top = column * self._side, row * self._side
        width = min(self._side, self.width - left)
        height = min(self._side, self.height - top)
        if self._ratio == 1:
            return self.slide.read(self.level, left, top, width, height)
        return self._resample(left, top, width, height)

    def _resample(self, left: int, top: int, width: int, height: int) -> Pixels:
        """Return a block from the level's pixels, and those around it that the filter needs."""
        from PIL import Image

        level = self.slide.levels[self.level]
        margin = math.ceil(2 * max(self._ratio, 1))
        x, y = left * self._ratio, top * self._ratio
        end_x = min((left + width) * self._ratio, level.width)
        end_y = min((top + height) * self._ratio, level.height)
        first_x, first_y = max(int(x) - margin, 0), max(int(y) - margin, 0)
        last_x = min(math.ceil(end_x) + margin, level.width)
        last_y = min(math.ceil(end_y) + margin, level.height)
        size = (last_x - first_x, last_y - first_y)
        source = Image.fromarray(self.slide.read(self.level, first_x, first_y, *size))
        box = (x - first_x, y - first_y, end_x - first_x, end_y - first_y)
        block = source.resize((width, height), Image.Resampling.HAMMING, box=box)
        return np.asarray(block)

    def __getstate__(self) -> dict[str, object]:
        """Leave the blocks out, which another process reads itself."""
        return {**vars(self), "_blocks": OrderedDict()}


def _nearest_level(slide: Slide, slide_mpp: float, mpp: float) -> int:
    """Return the number of the coarsest level that is as fine as wanted; 0 if none is."""
    nearest = 0
    for number, level in enumerate(slide.levels):
        if slide_mpp * level.downsample <= mpp * (1 + SAME):
            nearest = number
    return nearest


def block_side(ratio: float) -> int:
    """Return the side of blocks that are resampled from at most ``MOST_READ`` pixels a side.

    Args:
        ratio: pixels of the level per pixel of the view.
    """
    side = MOST_SIDE
    while side * ratio > MOST_READ and side > LEAST_SIDE:
        side //= 2
    return side
