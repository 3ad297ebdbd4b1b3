"""The patches of a slide as a patch source, so that the shared inference predicts them."""

from collections.abc import Sequence

import numpy as np

from pcam.data.base import Indices, Pixels
from pcam.slides.grid import Grid, Places
from pcam.slides.view import SlideView


class SlideSource:
    """Patches of a slide, read when they are asked for.

    Args:
        view: the slide at the patches' resolution.
        grid: of its patches.
        places: (N, 2), row and column of each patch.
    """

    labels = None
    groups = None

    def __init__(self, view: SlideView, grid: Grid, places: Places) -> None:
        self.view = view
        self.grid = grid
        self.places = places

    @property
    def ids(self) -> Sequence[str]:
        """Row and column of each patch, N names."""
        return [f"row {row} column {column}" for row, column in self.places]

    def __len__(self) -> int:
        return len(self.places)

    def read(self, indices: Indices) -> Pixels:
        """Return patches, white outside of the slide: uint8 (n, patch, patch, 3)."""
        side = self.grid.patch
        patches = np.empty((len(indices), side, side, 3), np.uint8)
        for number, (top, left) in enumerate(self.grid.corners(self.places[indices])):
            patches[number] = self.view.read(int(left), int(top), side, side)
        return patches

    def after(self, count: int) -> "SlideSource":
        """Return the source without its first patches."""
        return SlideSource(self.view, self.grid, self.places[count:])
