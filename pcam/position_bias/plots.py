"""Figures of positional bias: the shift map, replaced regions, and examples of the views."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pcam.data.base import Pixels
from pcam.position_bias.results import MapRow, SwapRow
from pcam.position_bias.tables import describe_swap
from pcam.runs.figures import BLUE, GREY, ORANGE, canvas, clean_axes, png
from pcam.stats.intervals import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAPS = (
    ("agreement", "same prediction as unshifted", "viridis"),
    ("auroc", "AUROC", "viridis"),
    ("positives", "mean probability of positives", "magma"),
    ("negatives", "mean probability of negatives", "magma"),
)
SIDES = (("positive", ORANGE, -0.13), ("negative", BLUE, 0.13))  # label, colour, place in a row


def plot_shift_map(title: str, rows: Sequence[MapRow]) -> bytes:
    """Draw the predictions at each offset, outlined where the whole centre square is visible.

    Returns:
        A PNG.
    """
    down = sorted({row["row"] for row in rows})
    across = sorted({row["column"] for row in rows})
    centre_visible = _grid(rows, down, across, "holds_centre") > 0
    figure = canvas(15, 3.7, 110)
    figure.suptitle(title, fontsize=10)
    panels = figure.subplots(1, len(MAPS))
    for axes, (key, label, colours) in zip(panels, MAPS, strict=True):
        values = _grid(rows, down, across, key)
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        picture = axes.imshow(
            values,
            cmap=colours,
            extent=_extent(down, across),
            interpolation="nearest",
            vmin=low - 0.01 if high - low < 0.01 else low,  # equal values also need a range
            vmax=high,
        )
        figure.colorbar(picture, ax=axes, shrink=0.75)
        if centre_visible.any():
            _outline(axes, centre_visible, down, across)
        axes.plot(0, 0, marker="+", color="white", markersize=11, markeredgewidth=3)
        axes.plot(0, 0, marker="+", color="black", markersize=9)
        axes.set_title(f"{label}\n{low:.3f} to {high:.3f}", fontsize=9)
        axes.set(xlabel="shift of columns, pixels", ylabel="shift of rows, pixels")
    figure.supxlabel("+ as trained; outline: the whole centre square is visible", fontsize=8)
    return png(figure)


def _grid(
    rows: Sequence[MapRow], down: Sequence[int], across: Sequence[int], key: str
) -> NDArray[np.float64]:
    """Return a column of the map as an image, NaN where it has no row."""
    values = np.full((len(down), len(across)), np.nan)
    for row in rows:
        place = down.index(row["row"]), across.index(row["column"])
        values[place] = dict(row)[key]
    return values


def _step(down: Sequence[int]) -> int:
    return down[1] - down[0] if len(down) > 1 else 1


def _extent(down: Sequence[int], across: Sequence[int]) -> tuple[float, float, float, float]:
    """Return the edges of the image: left, right, bottom, top."""
    half = _step(down) / 2
    return across[0] - half, across[-1] + half, down[-1] + half, down[0] - half


def _outline(
    axes: "Axes", inside: NDArray[np.bool_], down: Sequence[int], across: Sequence[int]
) -> None:
    """Draw the box of the offsets that are inside, black on white."""
    from matplotlib.patches import Rectangle

    step = _step(down)
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    corner = (across[columns[0]] - step / 2, down[rows[0]] - step / 2)
    for color, width in (("white", 2.5), ("black", 1.0)):
        box = Rectangle(
            corner,
            len(columns) * step,
            len(rows) * step,
            fill=False,
            edgecolor=color,
            linewidth=width,
        )
        box.set_clip_on(False)
        axes.add_patch(box)


def plot_swaps(title: str, rows: Sequence[SwapRow]) -> bytes:
    """Draw the change of the log-odds by each replaced region, for positives and negatives.

    Returns:
        A PNG.
    """
    figure = canvas(8.5, 0.42 * len(rows) + 1.3, 120)
    figure.suptitle(title, fontsize=9)
    axes = figure.subplots()
    for level, row in enumerate(rows):
        for side, color, shift in SIDES:
            _interval(axes, row.logodds[side], level + shift, color)
    axes.axvline(0, color=GREY, linestyle=":", linewidth=1.2)
    axes.set(
        yticks=range(len(rows)),
        ylim=(len(rows) - 0.5, -0.5),
        xlabel="change of the log-odds, mean and 95 % interval",
    )
    names = [describe_swap(row.region, row.given) for row in rows]
    axes.set_yticklabels(names, fontsize=9)
    clean_axes(axes)
    handles = [
        axes.plot([], [], marker="o", linestyle="none", color=color, label=f"{side}s")[0]
        for side, color, _ in SIDES
    ]
    axes.legend(handles=handles, frameon=False, fontsize=8, loc="best")
    return png(figure)


def _interval(axes: "Axes", estimate: Interval, level: float, color: str) -> None:
    """Draw a mean and its interval, where it has one."""
    bounds = [estimate["low"], estimate["high"]]
    if not np.isnan(bounds[0]):
        axes.plot(bounds, [level, level], color=color, linewidth=2, alpha=0.5)
    axes.plot(estimate["value"], level, marker="o", markersize=5, color=color)


def plot_examples(views: Mapping[str, Pixels], captions: Sequence[str]) -> bytes:
    """Draw a few patches in rows and their views in columns.

    Args:
        views: uint8 (n, h, w, 3) by the title of the column.
        captions: of the n rows.

    Returns:
        A PNG.
    """
    figure = canvas(1.25 * len(views) + 0.9, 1.3 * len(captions) + 0.6, 110)
    panels = figure.subplots(len(captions), len(views), squeeze=False)
    for column, (title, shown) in enumerate(views.items()):
        panels[0, column].set_title(title.replace(" ", "\n", 1), fontsize=7)
        for row in range(len(captions)):
            axes = panels[row, column]
            axes.imshow(shown[row], interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
    for row, caption in enumerate(captions):
        panels[row, 0].set_ylabel(caption, fontsize=7, rotation=0, ha="right", va="center")
    return png(figure)
