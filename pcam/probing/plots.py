"""The picture of a backbone's features: two principal components, coloured in several ways."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pcam.probing.projection import Projection, ShownPatches
from pcam.runs.figures import BLUE, GREY, ORANGE, PALETTE, canvas, clean_axes, png
from pcam.stats.formatting import pluralize

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = PALETTE[:7]  # without yellow, which is too light for points
SHAPES = ("o", "^", "s")
MOST_SLIDES = 20  # with a colour of their own
MOST_LETTERS = 24  # of a slide's name
OTHERS = "0.75"  # of the other slides
STAIN_COLORS = "cividis"
PANEL = 3.8  # inches


def draw_features(
    backbone: str, projection: Projection, shown: ShownPatches, classes: tuple[str, str]
) -> bytes:
    """Draw the test patches by label, by stain, and by slide where slides are known.

    Args:
        backbone: its name.
        projection: its features in two dimensions.
        shown: the patches.
        classes: names of the labels 0 and 1.

    Returns:
        A PNG.
    """
    with_slides = shown.slide is not None
    width = PANEL * 3 + 2.1 if with_slides else PANEL * 2 + 0.8
    figure = canvas(width, PANEL, 110)
    figure.suptitle(backbone, fontsize=11)
    panels = figure.subplots(1, 3 if with_slides else 2, sharex=True, sharey=True)
    _draw_labels(panels[0], projection, shown.label, classes)
    _draw_stain(panels[1], projection, shown.stain)
    if shown.slide is not None:
        _draw_slides(panels[2], projection, shown.slide)
        _add_slide_legend(figure, panels[2], shown.slide)
    for axes in panels:
        axes.set_xlabel(_axis_label(1, projection.shares[0]), fontsize=9)
        axes.tick_params(labelsize=8)
        clean_axes(axes)
    panels[0].set_ylabel(_axis_label(2, projection.shares[1]), fontsize=9)
    return png(figure)


def _axis_label(component: int, share: float) -> str:
    return f"component {component}, {100 * share:.1f} % of the variance"


def _point_size(count: int) -> float:
    """Return the area of a point, smaller for many of them."""
    return float(np.clip(12_000 / max(count, 1), 6, 26))


def _draw_labels(
    axes: "Axes", projection: Projection, label: NDArray[np.uint8], classes: tuple[str, str]
) -> None:
    """Draw points in the colour of their label, in random order: no class covers the other."""
    size = _point_size(len(label))
    colors = np.where(label == 1, ORANGE, BLUE)
    x, y = projection.points.T
    axes.scatter(x, y, s=size, c=colors, alpha=0.6, linewidths=0)
    for name, color in zip(classes, (BLUE, ORANGE), strict=True):
        axes.scatter([], [], s=26, c=color, label=name, linewidths=0)
    axes.set_title("label", fontsize=10)
    axes.legend(fontsize=8, loc="best", framealpha=0.8)


def _draw_stain(axes: "Axes", projection: Projection, stain: NDArray[np.float64]) -> None:
    """Draw points by their share of haematoxylin, the outermost 2 % with the colour of the ends."""
    size = _point_size(len(stain))
    known = np.isfinite(stain)
    x, y = projection.points.T
    axes.scatter(x[~known], y[~known], s=size, c=GREY, alpha=0.5, linewidths=0)
    low, high = np.percentile(stain[known], [2, 98]) if known.any() else (0.0, 1.0)
    drawn = axes.scatter(
        x[known],
        y[known],
        s=size,
        c=stain[known],
        cmap=STAIN_COLORS,
        vmin=low,
        vmax=high,
        alpha=0.8,
        linewidths=0,
    )
    axes.set_title("stain: haematoxylin / (haematoxylin + eosin)", fontsize=10)
    assert axes.figure is not None
    bar = axes.figure.colorbar(drawn, ax=axes, shrink=0.8, extend="both")
    bar.ax.tick_params(labelsize=8)


def _draw_slides(axes: "Axes", projection: Projection, slide: NDArray[np.str_]) -> None:
    """Draw points with the colour and shape of their slide, those of small slides grey."""
    largest = largest_slides(slide)
    others = ~np.isin(slide, largest)
    size = _point_size(len(slide))
    x, y = projection.points.T
    axes.scatter(x[others], y[others], s=size, c=OTHERS, alpha=0.6, linewidths=0)
    for number, name in enumerate(largest):
        color, shape = _style(number)
        own = slide == name
        axes.scatter(x[own], y[own], s=size, c=color, marker=shape, alpha=0.7, linewidths=0)
    axes.set_title("slide", fontsize=10)


def _add_slide_legend(figure: "Figure", axes: "Axes", slide: NDArray[np.str_]) -> None:
    """Name the slides to the right of all panels."""
    largest = largest_slides(slide)
    handles = []
    for number, name in enumerate(largest):
        color, shape = _style(number)
        label = _shorten(name)
        handles.append(axes.scatter([], [], s=26, c=color, marker=shape, label=label))
    others = len(np.unique(slide)) - len(largest)
    if others:
        label = pluralize(others, "other slide")
        handles.append(axes.scatter([], [], s=26, c=OTHERS, label=label))
    place = "outside right upper"
    figure.legend(handles=handles, loc=place, fontsize=8, labelspacing=0.3, frameon=False)


def _style(number: int) -> tuple[str, str]:
    """Return the colour and the shape of a slide's points."""
    return COLORS[number % len(COLORS)], SHAPES[number // len(COLORS)]


def largest_slides(slide: NDArray[np.str_]) -> list[str]:
    """Return the slides with the most patches, at most ``MOST_SLIDES``, by name.

    Args:
        slide: (n,), of each patch.
    """
    names, counts = np.unique(slide, return_counts=True)
    by_size = np.argsort(-counts, kind="stable")[:MOST_SLIDES]
    return sorted(str(name) for name in names[by_size])


def _shorten(name: str) -> str:
    """Return a name with its middle left out if it is long."""
    if len(name) <= MOST_LETTERS:
        return name
    half = MOST_LETTERS // 2
    return f"{name[: half - 1]}…{name[-half:]}"
