"""The grid of a slide's map: where patches are, and how their answers make the map."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pcam.data.base import Masks

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class Grid:
    """A grid over a slide at the patches' resolution; its cells have the side ``stride``.

    A patch's answer holds for a square of ``side`` pixels in its centre. Where the stride is
    smaller, squares overlap, and a cell's probability is the mean of the answers that cover it.
    The square of the patch at row r and column c has its corner at (c, r) times the stride.

    Attributes:
        width: of the slide, pixels of the view.
        height: likewise.
        patch: side of a patch.
        centre: side of the square that decides a patch's label.
        stride: from one patch to the next; a divisor of ``centre``, or larger.
        scale: pixels of level 0 per pixel of the view.
    """

    width: int
    height: int
    patch: int
    centre: int
    stride: int
    scale: float

    @property
    def rows(self) -> int:
        """Rows of the grid, which covers the whole slide."""
        return -(-self.height // self.stride)

    @property
    def columns(self) -> int:
        """Columns of the grid."""
        return -(-self.width // self.stride)

    @property
    def side(self) -> int:
        """Side of the square that an answer holds for, pixels of the view."""
        return max(self.centre, self.stride)

    @property
    def overlap(self) -> int:
        """Cells that an answer holds for, along each axis."""
        return self.side // self.stride

    @property
    def cell(self) -> float:
        """Side of a cell, pixels of level 0."""
        return self.stride * self.scale

    def corners(self, places: Places) -> Places:
        """Return the upper left corners of patches, pixels of the view; they may be negative.

        Args:
            places: (N, 2), row and column.

        Returns:
            int64 (N, 2), y and x.
        """
        return places * self.stride + (self.side - self.patch) // 2

    def places(self, tissue: Masks, block: int) -> Places:
        """Return the patches whose square has tissue, those of one block after the other.

        Args:
            tissue: bool (rows, columns), the cells with tissue.
            block: side of the blocks in which the slide is read, pixels of the view.

        Returns:
            int64 (N, 2), row and column.
        """
        covered = tissue.copy()
        for down in range(self.overlap):
            for right in range(self.overlap):
                part = tissue[down:, right:]
                covered[: part.shape[0], : part.shape[1]] |= part
        rows, columns = np.nonzero(covered)
        block_row, block_column = rows * self.stride // block, columns * self.stride // block
        order = np.lexsort((columns, rows, block_column, block_row))
        return np.stack([rows, columns], axis=1)[order].astype(np.int64)

    def cell_means(self, places: Places, values: Floats) -> Floats:
        """Return the map: the mean of the answers that cover each cell.

        Args:
            places: (N, 2), row and column of each patch, each once.
            values: (N,), its answer.

        Returns:
            float64 (rows, columns); NaN where there is no answer.
        """
        sums = np.zeros((self.rows, self.columns))
        counts = np.zeros((self.rows, self.columns))
        answers, known = np.zeros_like(sums), np.zeros_like(sums)
        answers[places[:, 0], places[:, 1]] = values
        known[places[:, 0], places[:, 1]] = 1
        for down in range(self.overlap):
            for right in range(self.overlap):
                end_row, end_column = self.rows - down, self.columns - right
                sums[down:, right:] += answers[:end_row, :end_column]
                counts[down:, right:] += known[:end_row, :end_column]
        return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)

    def cells_with(self, mask: Masks) -> Masks:
        """Return which cells have a pixel of a mask of the whole slide.

        Args:
            mask: bool (H, W), at any resolution.

        Returns:
            bool (rows, columns).
        """
        sums = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int64)
        sums[1:, 1:] = mask.cumsum(0).cumsum(1)
        top, bottom = self._bounds(self.rows, self.height, mask.shape[0])
        left, right = self._bounds(self.columns, self.width, mask.shape[1])
        inside = sums[bottom][:, right] - sums[top][:, right]
        inside -= sums[bottom][:, left] - sums[top][:, left]
        return inside > 0

    def _bounds(self, cells: int, size: int, pixels: int) -> tuple[Places, Places]:
        """Return the first pixel of a mask in each cell along an axis, and the one after the last.

        Args:
            cells: along the axis.
            size: of the slide, pixels of the view.
            pixels: of the mask.
        """
        edges = np.arange(cells + 1) * self.stride * pixels / size
        first = np.minimum(np.floor(edges[:-1]), pixels - 1)
        end = np.clip(np.ceil(edges[1:]), first + 1, pixels)
        return first.astype(np.int64), end.astype(np.int64)


def smooth_map(values: Floats, deviation: float) -> Floats:
    """Return a map smoothed by a Gaussian over the cells that have an answer.

    Metastases are larger than a cell, and errors of single patches are not.

    Args:
        values: (rows, columns); NaN where there is no answer, also in the result.
        deviation: standard deviation, cells; 0 leaves the map as it is.
    """
    if deviation == 0:
        return values
    known = ~np.isnan(values)
    sums = ndimage.gaussian_filter(np.where(known, values, 0.0), deviation, mode="constant")
    weights = ndimage.gaussian_filter(known.astype(np.float64), deviation, mode="constant")
    return np.where(known, sums / np.maximum(weights, 1e-12), np.nan)
