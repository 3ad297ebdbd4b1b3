"""Figures of maps: a panel per patch and a sheet of all patches."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pcam.runs.figures import canvas, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float32]
Picture = NDArray[np.uint8]

PERCENTILE = 99.5  # of the absolute values over all patches of a figure: the end of its scale
SIGNED_COLOURS = "RdBu_r"
UNSIGNED_COLOURS = "magma_r"
CAPTION_WIDTH = 26  # characters of a line beside a sheet's row


@dataclass(frozen=True)
class DrawnMaps:
    """The maps of one method over some patches.

    Attributes:
        title: of the method.
        unit: of its values.
        signed: whether values below zero have a meaning.
        values: (N, H, W).
    """

    title: str
    unit: str
    signed: bool
    values: Floats

    @cached_property
    def scale(self) -> float:
        """The end of the colour scale, the same for all patches; above zero."""
        magnitude = np.abs(self.values)
        return float(np.percentile(magnitude, PERCENTILE)) or float(magnitude.max()) or 1.0

    @property
    def lower_end(self) -> float:
        """The start of the colour scale."""
        return -self.scale if self.signed else 0.0

    @property
    def colours(self) -> str:
        """The name of the colour map."""
        return SIGNED_COLOURS if self.signed else UNSIGNED_COLOURS

    def describe(self, which: int) -> str:
        """Return the range of the colour scale.

        Args:
            which: the place of a patch.

        Returns:
            "±0.02", "0 to 0.02", or "empty" if the patch's map is zero everywhere.
        """
        if self.is_empty(which):
            return "empty"
        if self.signed:
            return f"±{self.scale:.2g}"
        return f"0 to {self.scale:.2g}"

    def is_empty(self, which: int) -> bool:
        """Whether the map of a patch is zero everywhere."""
        return not self.values[which].any()


def plot_panel(
    patch: Picture,
    maps: Sequence[DrawnMaps],
    which: int,
    caption: str,
    square: NDArray[np.bool_] | None,
) -> bytes:
    """Draw a patch and each map over it, with the square that the label depends on.

    Args:
        patch: uint8 (H, W, 3).
        maps: of each method over all patches, so that all panels have one scale.
        which: the patch's place in them.
        caption: of the figure.
        square: bool (H, W), or None.

    Returns:
        A PNG.
    """
    columns = min(4, len(maps) + 1)
    rows = -(-(len(maps) + 1) // columns)
    figure = canvas(2.3 * columns, 2.75 * rows + 0.5, 120)
    figure.suptitle(caption, fontsize=10)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for place in axes:
        place.set_axis_off()
    axes[0].imshow(patch, interpolation="nearest")
    axes[0].set_title("patch", fontsize=9)
    _outline(axes[0], square)
    for place, one in zip(axes[1:], maps, strict=False):
        _draw_map(place, patch, one, which)
        place.set_title(f"{one.title}\n{one.describe(which)}", fontsize=9)
        place.text(
            0.5, -0.02, one.unit, transform=place.transAxes, ha="center", va="top", fontsize=6
        )
        _outline(place, square)
    return png(figure)


def plot_sheet(
    title: str,
    patches: Picture,
    maps: Sequence[DrawnMaps],
    captions: Sequence[str],
    squares: NDArray[np.bool_] | None,
    page: slice = slice(None),
) -> bytes:
    """Draw patches in rows and methods in columns, one scale per column.

    The layout is that of the study's Figures 5 and 6.

    Args:
        title: of the figure.
        patches: uint8 (N, H, W, 3).
        maps: of each method.
        captions: N.
        squares: bool (N, H, W), the square that the label depends on, or None.
        page: which of the patches; the scale is that of all.

    Returns:
        A PNG.
    """
    shown = range(len(patches))[page]
    rows, columns = len(shown), len(maps) + 1
    figure = canvas(1.45 * columns + 0.9, 1.45 * rows + 1.2, 110)
    note = f"colour scales end at the {PERCENTILE}th percentile of the absolute values"
    figure.suptitle(f"{title}\n{note}", fontsize=10)
    axes = figure.subplots(rows + 1, columns, squeeze=False, height_ratios=[1] * rows + [0.08])
    axes[0][0].set_title("patch", fontsize=8)
    for place, one in zip(axes[0][1:], maps, strict=True):
        place.set_title(one.title.replace(" ", "\n", 1), fontsize=8)
    for places, which in zip(axes, shown, strict=False):
        square = None if squares is None else squares[which]
        _draw_row(places, patches[which], maps, which, captions[which], square)
    axes[rows][0].set_axis_off()
    for place, one in zip(axes[rows][1:], maps, strict=True):
        _draw_colour_bar(figure, place, one)
    return png(figure)


def _draw_row(
    places: Sequence[Axes],
    patch: Picture,
    maps: Sequence[DrawnMaps],
    which: int,
    caption: str,
    square: NDArray[np.bool_] | None,
) -> None:
    """Draw a patch and its maps side by side."""
    for place in places:
        place.set(xticks=[], yticks=[])
        place.spines[:].set_visible(False)
        _outline(place, square)
    places[0].imshow(patch, interpolation="nearest")
    label_row(places[0], caption)
    for place, one in zip(places[1:], maps, strict=True):
        _draw_map(place, patch, one, which)
        if one.is_empty(which):
            place.set_xlabel("empty", fontsize=7, labelpad=1)


def label_row(place: Axes, caption: str) -> None:
    """Write a patch's caption to the left of a row."""
    place.set_ylabel(_shorten(caption), fontsize=7, rotation=0, ha="right", va="center")


def _draw_colour_bar(figure: Figure, place: Axes, maps: DrawnMaps) -> None:
    """Draw the colour scale of a column."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    low, high = maps.lower_end, maps.scale
    colours = ScalarMappable(Normalize(low, high), maps.colours)
    bar = figure.colorbar(colours, cax=place, orientation="horizontal", ticks=[low, high])
    bar.ax.set_xticklabels([f"{low:.2g}", f"{high:.2g}"], fontsize=6)
    bar.ax.set_xlabel(textwrap.fill(maps.unit, 22), fontsize=6, labelpad=1)
    left, right = bar.ax.get_xticklabels()
    left.set_horizontalalignment("left")
    right.set_horizontalalignment("right")


def _shorten(caption: str) -> str:
    """Return a caption that leaves room for the pictures.

    The start of a long id, as Kaggle's, is enough to find the patch.

    Args:
        caption: one line or several.
    """
    lines = caption.split("\n")
    for i, line in enumerate(lines):
        if len(line) > CAPTION_WIDTH:
            lines[i] = f"{line[:12]}…"
    return "\n".join(lines)


def _draw_map(place: Axes, patch: Picture, maps: DrawnMaps, which: int) -> None:
    """Draw a map over the patch in faint grey; the smaller a value, the more of the patch shows."""
    from matplotlib import colormaps

    value = np.clip(maps.values[which] / maps.scale, -1, 1)
    position = (value + 1) / 2 if maps.signed else np.maximum(value, 0)
    colours = colormaps[maps.colours](position)[..., :3]
    strength = np.abs(value)[..., None] ** 0.7
    grey = (0.45 + 0.55 * patch.mean(-1, keepdims=True) / 255).repeat(3, -1)
    place.imshow(grey * (1 - strength) + colours * strength, interpolation="nearest")


def _outline(place: Axes, square: NDArray[np.bool_] | None) -> None:
    """Outline a square of the patch, if there is one.

    Args:
        place: to draw into.
        square: bool (H, W), or None.
    """
    from matplotlib.patches import Rectangle

    if square is None or not square.any():
        return
    rows = np.flatnonzero(square.any(1))
    columns = np.flatnonzero(square.any(0))
    corner = (columns[0] - 0.5, rows[0] - 0.5)
    outline = Rectangle(
        corner, len(columns), len(rows), fill=False, edgecolor="black", linewidth=0.9
    )
    place.add_patch(outline)
