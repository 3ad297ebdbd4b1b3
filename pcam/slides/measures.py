"""How well a map agrees with an annotation."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pcam.data.base import Masks
from pcam.slides.grid import Floats, Grid
from pcam.slides.predict import SlidePrediction
from pcam.slides.regions import cell_boxes
from pcam.stats.froc import SlideDetections
from pcam.stats.metrics import Labels

if TYPE_CHECKING:
    from shapely import Geometry

# Camelyon16's evaluation: lesions are enlarged by half of 75 µm, and those whose longest diameter
# is then below 275 µm (isolated tumour cells) count neither as found nor as missed.
ENLARGED = 37.5  # micrometres
ISOLATED = 275.0  # micrometres
RADIUS = 150.0  # micrometres around a detection in which it has the highest probability
LEAST = 0.1  # probability of a detection


@dataclass(frozen=True)
class SlideMeasures:
    """A map beside the annotation of its slide.

    Attributes:
        label: uint8 (N,), whether each patch's square has tumour.
        share: float64 (rows, columns), the share of each cell that is tumour.
        dice: 2 |A ∩ B| / (|A| + |B|) of what is called positive and the annotation; NaN if both are
            empty.
        detections: for the free-response ROC.
    """

    label: Labels
    share: Floats
    dice: float
    detections: SlideDetections


def measure_slide(prediction: SlidePrediction, tumour: "Geometry") -> SlideMeasures:
    """Compare a map with an annotation.

    Args:
        prediction: of the slide.
        tumour: geometry of shapely, pixels of level 0.
    """
    grid = prediction.prepared.grid
    share = tumour_share(tumour, grid)
    covered = covered_cells(share, grid.overlap)
    places = prediction.tissue.places
    return SlideMeasures(
        label=covered[places[:, 0], places[:, 1]].astype(np.uint8),
        share=share,
        dice=dice(prediction.called.astype(np.float64), share),
        detections=find_detections(prediction, tumour),
    )


def tumour_share(tumour: "Geometry", grid: Grid) -> Floats:
    """Return the share of each cell that is tumour, float64 (rows, columns).

    Args:
        tumour: geometry of shapely, pixels of level 0.
        grid: of the cells.
    """
    import shapely

    share = np.zeros((grid.rows, grid.columns))
    for part in shapely.get_parts(tumour):
        if part.is_empty:  # of a slide without tumour
            continue
        left, top, right, bottom = part.bounds
        rows = _span(top, bottom, grid.rows, grid.cell)
        columns = _span(left, right, grid.columns, grid.cell)
        row, column = (axis.ravel() for axis in np.meshgrid(rows, columns, indexing="ij"))
        cells = cell_boxes(row, column, grid)
        shapely.prepare(part)
        inside = shapely.contains(part, cells)
        border = shapely.intersects(part, cells) & ~inside
        share[row[inside], column[inside]] = 1
        area = shapely.area(shapely.intersection(part, cells[border])) / grid.cell**2
        share[row[border], column[border]] += area
    return np.minimum(share, 1)


def covered_cells(share: Floats, overlap: int) -> Masks:
    """Return whether the square of a patch has tumour, bool (rows, columns).

    Args:
        share: (rows, columns), of each cell that is tumour.
        overlap: cells of a square, along each axis; its first cell is the patch's own.
    """
    highest = ndimage.maximum_filter(share, overlap, origin=-(overlap // 2), mode="constant")
    covered: Masks = highest > 0
    return covered


def _span(low: float, high: float, cells: int, side: float) -> NDArray[np.int64]:
    """Return the numbers of the cells between two coordinates."""
    first, end = np.floor(low / side), np.ceil(high / side)
    return np.arange(max(int(first), 0), min(int(end), cells), dtype=np.int64)


def dice(called: Floats, share: Floats) -> float:
    """Return the Dice coefficient of cells that are called positive and of tumour, by area.

    Args:
        called: (rows, columns), 0 or 1.
        share: (rows, columns), of each cell that is tumour.

    Returns:
        NaN if both are empty.
    """
    total = called.sum() + share.sum()
    return float(2 * (called * share).sum() / total) if total else float("nan")


def find_detections(prediction: SlidePrediction, tumour: "Geometry") -> SlideDetections:
    """Return the detections of a map: cells with the highest probability around.

    Args:
        prediction: of the slide.
        tumour: geometry of shapely, pixels of level 0.
    """
    import shapely

    prepared = prediction.prepared
    grid, mpp = prepared.grid, prepared.slide_mpp
    x, y, score = local_maxima(prediction.map, grid, RADIUS / mpp)
    enlarged = shapely.get_parts(tumour.buffer(ENLARGED / mpp))
    points = shapely.points(x, y)
    is_false = np.ones(len(points), np.bool_)
    lesions: list[float] = []
    for lesion in enlarged[~shapely.is_empty(enlarged)]:
        inside = shapely.intersects(lesion, points)
        is_false &= ~inside
        if _diameter(lesion) * mpp >= ISOLATED:
            lesions.append(float(score[inside].max(initial=-np.inf)))
    return SlideDetections(np.array(lesions, np.float64), score[is_false])


def local_maxima(probability: Floats, grid: Grid, radius: float) -> tuple[Floats, Floats, Floats]:
    """Return where a map is highest within a radius, and how high.

    Args:
        probability: (rows, columns); NaN without an answer.
        grid: of the map.
        radius: pixels of level 0.

    Returns:
        x and y, pixels of level 0, and the probability, (M,) each. Neighbours that are equally high
        count once.
    """
    reach = max(1, int(radius / grid.cell))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disk = x**2 + y**2 <= reach**2
    known = np.nan_to_num(probability, nan=-1.0)
    highest = ndimage.maximum_filter(known, footprint=disk, mode="constant", cval=-1.0)
    is_highest = (known == highest) & (known >= LEAST)
    part, count = ndimage.label(is_highest, structure=np.ones((3, 3)))
    numbers = np.arange(1, count + 1)
    centres = np.array(ndimage.center_of_mass(is_highest, part, numbers)).reshape(-1, 2)
    score = np.asarray(ndimage.maximum(known, part, numbers), np.float64).reshape(-1)
    return (centres[:, 1] + 0.5) * grid.cell, (centres[:, 0] + 0.5) * grid.cell, score


def _diameter(lesion: "Geometry") -> float:
    """Return about the longest diameter: the longer side of the smallest rectangle around."""
    import shapely

    corners = shapely.get_coordinates(shapely.minimum_rotated_rectangle(lesion))
    sides = np.linalg.norm(np.diff(corners, axis=0), axis=1)
    return float(sides.max(initial=0.0))
