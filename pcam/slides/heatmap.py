"""The figure of a slide: its tissue, and the map over it, with a scale bar and a colour bar."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from pcam.data.base import Masks, Pixels
from pcam.runs.figures import BLUE, ORANGE, canvas, png
from pcam.slides.predict import SlidePrediction
from pcam.slides.regions import Region

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from shapely import Geometry

COLOURS = "inferno"
OPACITY = 0.6  # of the map over the slide
FAINT = 0.5  # how much white is mixed into the grey slide below the map
CALLED = "#00B8A9"  # outlines of what is called positive: in no colour of the map or of a stain
PANEL = 6.0  # inches of the longer side of each picture
SHORTEST = 2.5  # inches of the shorter side
DPI = 130
MOST_SIDE = 1200  # pixels of a picture that is drawn; matplotlib needs many bytes for each
LETTERS = 13  # of a title per inch
BARS = (1, 2, 5)  # leading digits of the scale bar's length
BAR_SHARE = 0.25  # of the slide's width that the scale bar has at most


def draw_heatmap(
    prediction: SlidePrediction, regions: Sequence[Region], tumour: "Geometry | None" = None
) -> bytes:
    """Draw a slide twice, with the outline of its tissue and, in grey, with the map over it.

    Args:
        prediction: of one slide.
        regions: that are called positive, outlined on the map.
        tumour: its annotation, drawn over the tissue; pixels of level 0.

    Returns:
        A PNG.
    """
    tissue = prediction.tissue
    height, width = tissue.mask.shape
    longer = max(height, width)
    panel_width = max(PANEL * width / longer, SHORTEST)
    panel_height = max(PANEL * height / longer, SHORTEST)
    figure = canvas(2 * panel_width + 1.2, panel_height + 0.8, DPI)
    left, right = figure.subplots(1, 2)
    extent = (0.0, width * tissue.mpp, height * tissue.mpp, 0.0)  # micrometres
    slide_mpp = prediction.prepared.slide_mpp
    slide_picture = shrink(tissue.picture, MOST_SIDE)
    for axes, picture in ((left, slide_picture), (right, _faint(slide_picture))):
        axes.imshow(picture, extent=extent)
        axes.set_axis_off()
    tissue_picture = shrink(tissue.mask.astype(np.uint8) * 255, MOST_SIDE)
    _outline(left, tissue_picture > 127, extent, BLUE)
    if tumour is not None:
        _draw_borders(left, tumour, slide_mpp, ORANGE)
    _draw_scale_bar(left, extent)
    _draw_map(right, prediction, extent)
    for region in regions:
        _draw_borders(right, region.polygon, slide_mpp, CALLED)
    _draw_scale_bar(right, extent)
    for axes, title in zip((left, right), _titles(prediction), strict=True):
        axes.set_title(wrap_title(title, panel_width), fontsize=9)
    return png(figure)


def shrink(picture: Pixels, most: int) -> Pixels:
    """Return a picture with sides of at most ``most`` pixels, each a mean; small ones as they are.

    Args:
        picture: uint8 (H, W) or (H, W, 3).
        most: pixels of the longer side.
    """
    height, width = picture.shape[:2]
    ratio = most / max(height, width)
    if ratio >= 1:
        return picture
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))


def _draw_map(
    axes: "Axes", prediction: SlidePrediction, extent: tuple[float, float, float, float]
) -> None:
    """Draw the map in colour, and its colour bar with the threshold."""
    grid, mpp = prediction.prepared.grid, prediction.prepared.view.mpp
    cell = grid.stride * mpp
    shown = axes.imshow(
        prediction.map,
        cmap=COLOURS,
        alpha=OPACITY,
        vmin=0,
        vmax=1,
        interpolation="nearest",
        extent=(0.0, grid.columns * cell, grid.rows * cell, 0.0),
    )
    axes.set_xlim(extent[:2])
    axes.set_ylim(extent[2:])
    bar = axes.figure.colorbar(shown, ax=axes, fraction=0.05, pad=0.02)
    bar.set_label(f"probability of {prediction.positive}", fontsize=8)
    bar.ax.axhline(prediction.rule.threshold, color=CALLED, linewidth=2)
    bar.ax.tick_params(labelsize=7)


def _faint(picture: Pixels) -> Pixels:
    """Return a picture in light grey, on which the map's colours are those of its colour bar."""
    grey = picture.mean(axis=2, keepdims=True)
    mixed = FAINT * 255 + (1 - FAINT) * grey
    return np.asarray(np.rint(mixed), np.uint8).repeat(3, axis=2)


def _titles(prediction: SlidePrediction) -> tuple[str, str]:
    """Return the titles of both pictures."""
    tissue = f"{prediction.name}: tissue, {prediction.tissue.area:.3g} mm²"
    return tissue, f"{prediction.run.label}, {prediction.rule.description}"


def wrap_title(title: str, width: float) -> str:
    """Return a title in lines that are no longer than a picture is wide, also of long names.

    Args:
        title: one line.
        width: of the picture, inches.
    """
    return textwrap.fill(title, int(width * LETTERS))


def _outline(
    axes: "Axes", mask: Masks, extent: tuple[float, float, float, float], colour: str
) -> None:
    """Draw the border of a mask."""
    if mask.all():
        return
    padded = np.pad(mask, 1).astype(np.float64)
    height, width = mask.shape
    x = (np.arange(-1, width + 1) + 0.5) * extent[1] / width
    y = (np.arange(-1, height + 1) + 0.5) * extent[2] / height
    axes.contour(x, y, padded, levels=[0.5], colors=colour, linewidths=0.8)
    axes.set_xlim(extent[:2])
    axes.set_ylim(extent[2:])


def _draw_borders(axes: "Axes", area: "Geometry", slide_mpp: float, colour: str) -> None:
    """Draw the outlines of an area.

    Args:
        axes: whose units are micrometres.
        area: pixels of level 0.
        slide_mpp: micrometres per pixel of level 0.
        colour: of the lines.
    """
    import shapely

    for part in shapely.get_parts(shapely.boundary(area)):
        points = shapely.get_coordinates(part) * slide_mpp
        axes.plot(points[:, 0], points[:, 1], color=colour, linewidth=1.2)


def _draw_scale_bar(axes: "Axes", extent: tuple[float, float, float, float]) -> None:
    """Draw a line of a round length in the lower left corner.

    Args:
        axes: whose units are micrometres.
        extent: left, right, bottom and top of the slide.
    """
    width, height = extent[1], extent[2]
    length = round_length(BAR_SHARE * width)
    x, y = 0.04 * width, height - 0.05 * min(width, height)
    text = f"{length / 1000:g} mm" if length >= 1000 else f"{length:g} µm"
    for colour, thickness in (("white", 5.0), ("black", 2.5)):
        axes.plot([x, x + length], [y, y], color=colour, linewidth=thickness)
    box = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 1}
    axes.annotate(
        text,
        (x + length / 2, y),
        xytext=(0, 5),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=7,
        bbox=box,
    )


def round_length(longest: float) -> float:
    """Return the longest round length that is not longer: 1, 2 or 5 times a power of ten.

    Args:
        longest: greater than 0.
    """
    power = 10.0 ** np.floor(np.log10(longest))
    return float(max(digit * power for digit in BARS if digit * power <= longest))
