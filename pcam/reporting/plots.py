"""Figures of several runs: curves of training, ROC and calibration."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pcam.runs.figures import GREY, PALETTE, canvas, clean_axes, png
from pcam.stats.curves import Curve, Reliability

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
DASHES = ("-", "--", ":", "-.")
MAX_NAMES = 24  # lines that a legend can distinguish
MAX_NAME = 140  # characters of a name in a legend
PANELS = {
    "train/loss_epoch": "training loss",
    "valid/loss": "validation loss",
    "valid/auroc": "validation AUROC",
}


@dataclass(frozen=True)
class TrainingLines:
    """Repeats of one training: the number of their colour, and each run's rows of metrics.csv."""

    colour: int
    runs: Sequence[Sequence[Mapping[str, str]]]


@dataclass(frozen=True)
class OperatingLines:
    """Repeats of one training: the number of their colour, and each run's ROC and reliability."""

    colour: int
    runs: Sequence[tuple[Curve, Reliability]]


@dataclass(frozen=True)
class LineStyle:
    """Colour, dashes and width of a group's lines."""

    color: str
    dashes: str
    width: float

    def draw(self, axes: "Axes", x: Sequence[float] | Floats, y: Sequence[float] | Floats) -> None:
        """Draw a line."""
        axes.plot(x, y, color=self.color, linestyle=self.dashes, linewidth=self.width)

    def draw_points(
        self, axes: "Axes", x: Sequence[float] | Floats, y: Sequence[float] | Floats
    ) -> "Artist":
        """Draw a line with a point at each value, and return it."""
        (line,) = axes.plot(
            x,
            y,
            color=self.color,
            linestyle=self.dashes,
            linewidth=self.width,
            marker="o",
            markersize=3,
        )
        return line


def line_style(colour: int, repeated: bool) -> LineStyle:
    """Return the style of a group's lines.

    Args:
        colour: number of the group.
        repeated: whether it has several lines, which are thinner.
    """
    dashes = DASHES[colour // len(PALETTE) % len(DASHES)]
    return LineStyle(PALETTE[colour % len(PALETTE)], dashes, 1.1 if repeated else 1.5)


def legend_columns(names: Collection[str]) -> int:
    """Return the number of columns of the legend below a figure.

    Args:
        names: of all lines, at least one.
    """
    longest = max(len(name) for name in names)
    return max(1, min(len(names), 150 // (longest + 8)))


def legend_height(names: Collection[str]) -> float:
    """Return the height of the legend, inches.

    Args:
        names: of all lines; too many have no legend, so the height is 0.
    """
    if len(names) > MAX_NAMES:
        return 0
    rows = -(-len(names) // legend_columns(names))
    return 0.16 * rows + 0.15


def add_legend(figure: "Figure", handles: Sequence["Artist"], names: Collection[str]) -> None:
    """Add a legend below the panels; none for too many names."""
    if len(names) > MAX_NAMES:
        return
    short = [name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 2]}…" for name in names]
    figure.legend(
        handles,
        short,
        loc="outside lower center",
        ncols=legend_columns(names),
        frameon=False,
        fontsize=8,
    )


def plot_training(groups: Mapping[str, TrainingLines], title: str) -> bytes:
    """Draw the losses and the valid AUROC by epoch.

    Args:
        groups: lines by the group's name.
        title: of the figure.

    Returns:
        A PNG.
    """
    from matplotlib.ticker import MaxNLocator

    figure = canvas(11, 3.4 + legend_height(groups), 130)
    figure.suptitle(title, fontsize=11)
    panels = figure.subplots(1, len(PANELS))
    handles: list[Artist] = []
    for axes, (column, label) in zip(panels, PANELS.items(), strict=True):
        handles = [_plot_column(axes, group, column) for group in groups.values()]
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        clean_axes(axes)
    add_legend(figure, handles, groups)
    return png(figure)


def _plot_column(axes: "Axes", group: TrainingLines, column: str) -> "Artist":
    """Draw a column of each run's rows.

    Args:
        axes: to draw into.
        group: at least one run.
        column: of metrics.csv.

    Returns:
        The last line, for the legend.
    """
    style = line_style(group.colour, len(group.runs) > 1)
    for rows in group.runs:
        known = [row for row in rows if row.get(column)]
        epochs = [int(row["epoch"]) + 1 for row in known]
        values = [float(row[column]) for row in known]
        line = style.draw_points(axes, epochs, values)
    return line


def plot_operating(groups: Mapping[str, OperatingLines], title: str) -> bytes:
    """Draw ROC and reliability.

    Args:
        groups: curves by the group's name.
        title: of the figure.

    Returns:
        A PNG.
    """
    figure = canvas(9.5, 4.2 + legend_height(groups), 130)
    figure.suptitle(title, fontsize=11)
    left, right = figure.subplots(1, 2)
    handles = []
    for group in groups.values():
        style = line_style(group.colour, len(group.runs) > 1)
        for curve, bins in group.runs:
            style.draw(left, curve.x, curve.y)
            filled = bins.patches > 0
            line = style.draw_points(right, bins.probability[filled], bins.observed[filled])
        handles.append(line)
    for axes in (left, right):
        axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
        clean_axes(axes)
    left.set(xlabel="1 - specificity", ylabel="sensitivity")
    right.set(xlabel="mean probability of a bin", ylabel="share of positives in the bin")
    add_legend(figure, handles, groups)
    return png(figure)
