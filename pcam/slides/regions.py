"""Regions of a slide that are called positive, as polygons of level 0."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pcam.data.base import Masks
from pcam.slides.grid import Floats, Grid, Places

if TYPE_CHECKING:
    from shapely import Polygon


@dataclass(frozen=True)
class Region:
    """Cells that are called positive and share edges.

    Attributes:
        polygon: its outline with its holes, pixels of level 0, within the slide.
        area: square millimetres.
        mean: mean probability of its cells.
        highest: highest probability of its cells.
    """

    polygon: "Polygon"
    area: float
    mean: float
    highest: float


def find_regions(called: Masks, probability: Floats, grid: Grid, slide_mpp: float) -> list[Region]:
    """Return the regions of a map, the largest first.

    Args:
        called: bool (rows, columns), the cells that are called positive.
        probability: float64 (rows, columns), of the positive class.
        grid: of the cells.
        slide_mpp: micrometres per pixel of level 0.
    """
    part, count = ndimage.label(called)  # cells that share an edge
    regions: list[Region] = []
    for number, window in enumerate(ndimage.find_objects(part, count), start=1):
        inside = part[window] == number
        corner = (window[0].start, window[1].start)
        polygon = _outline(inside, corner, grid)
        values = probability[window][inside]
        area = polygon.area * slide_mpp**2 / 1e6
        regions.append(Region(polygon, area, float(values.mean()), float(values.max())))
    return sorted(regions, key=lambda region: -region.area)


def _outline(inside: Masks, corner: tuple[int, int], grid: Grid) -> "Polygon":
    """Return the outline of connected cells, pixels of level 0.

    Args:
        inside: bool (h, w), the cells.
        corner: row and column of the first of them in the grid.
        grid: of the cells.
    """
    import shapely

    rows, columns = np.nonzero(inside)
    cells = cell_boxes(rows + corner[0], columns + corner[1], grid)
    whole = shapely.coverage_union_all(cells).simplify(0)
    slide = shapely.box(0, 0, grid.width * grid.scale, grid.height * grid.scale)
    outline = shapely.normalize(whole.intersection(slide))
    return shapely.orient_polygons(outline)


def cell_boxes(rows: Places, columns: Places, grid: Grid) -> "NDArray[np.object_]":
    """Return cells of a grid as squares, pixels of level 0.

    Args:
        rows: (N,), of the cells.
        columns: (N,), likewise.
        grid: of the cells.

    Returns:
        N polygons of shapely.
    """
    import shapely

    left, top = columns * grid.cell, rows * grid.cell
    right, bottom = (columns + 1) * grid.cell, (rows + 1) * grid.cell
    boxes: NDArray[np.object_] = shapely.box(left, top, right, bottom)
    return boxes
