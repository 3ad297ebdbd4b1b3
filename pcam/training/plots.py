"""The figure of a training: the study's Figure 2, for any run."""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pcam.runs.figures import BLUE, GREY, ORANGE, canvas, clean_axes, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Rows = Sequence[Mapping[str, str]]
Values = NDArray[np.float64]

COLORS = {"training": BLUE, "validation": ORANGE}
# Label of the y axis, then column of metrics.csv and label of each line.
PANELS = (
    ("loss", (("train/loss_epoch", "training"), ("valid/loss", "validation"))),
    ("accuracy", (("train/accuracy", "training"), ("valid/accuracy", "validation"))),
    ("AUROC", (("valid/auroc", "validation"),)),
)


def plot_curves(rows: Rows, title: str, unfreeze_epoch: int | None = None) -> bytes:
    """Draw loss, accuracy and AUROC by epoch.

    Args:
        rows: of metrics.csv.
        title: of the figure.
        unfreeze_epoch: the epoch, from 0, from which the backbone is trained; marked if it is not
            the first.

    Returns:
        A PNG.
    """
    figure = canvas(11, 3.6, 130)
    figure.suptitle(title, fontsize=11)
    for axes, (name, lines) in zip(figure.subplots(1, 3), PANELS, strict=True):
        for column, label in lines:
            _plot_column(axes, rows, column, label)
        if unfreeze_epoch:
            position = unfreeze_epoch + 0.5
            axes.axvline(
                position, color="0.5", linestyle=":", linewidth=1, label="backbone unfrozen"
            )
        _format_axes(axes, name, count_epochs(rows))
    return png(figure)


def plot_rates(rates: Values, losses: Values, smoothed: Values, found: float) -> bytes:
    """Draw the loss by learning rate of a search, with the rate that was found.

    Args:
        rates: of each step, (N,).
        losses: of each step, (N,).
        smoothed: losses averaged with their neighbours, (N,).
        found: the rate.

    Returns:
        A PNG.
    """
    figure = canvas(6.5, 3.6, 130)
    axes = figure.subplots()
    axes.plot(rates, losses, ".", markersize=4, color=GREY, label="of one step")
    axes.plot(rates, smoothed, color=BLUE, label="smoothed")
    label = f"lowest: optimizer.lr={found:g}"
    axes.axvline(found, color=ORANGE, linestyle="--", linewidth=1.2, label=label)
    axes.set(xscale="log", xlabel="learning rate of the backbone", ylabel="training loss")
    axes.set_title("A search of learning rates (trainer.find_lr)", fontsize=11)
    lowest, first = float(np.nanmin(losses)), float(smoothed[0])
    margin = 0.1 * first
    axes.set_ylim(lowest - margin, 1.5 * first + margin)  # higher ones have diverged
    axes.xaxis.set_major_formatter("{x:g}")
    clean_axes(axes)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    return png(figure)


def count_epochs(rows: Rows) -> int:
    """Return the number of the last epoch, counted from 1.

    Args:
        rows: of metrics.csv; without any the number is 1.
    """
    return max((int(row["epoch"]) + 1 for row in rows), default=1)


def _plot_column(axes: "Axes", rows: Rows, column: str, label: str) -> None:
    """Draw a line over the epochs that have a value; none without any.

    Args:
        axes: to draw into.
        rows: of metrics.csv, a row per epoch.
        column: of metrics.csv.
        label: "training" or "validation", which decides the colour.
    """
    epochs, values = [], []
    for row in rows:
        if row.get(column):
            epochs.append(int(row["epoch"]) + 1)
            values.append(float(row[column]))
    if epochs:
        color = COLORS[label]
        axes.plot(epochs, values, marker="o", markersize=3.5, color=color, label=label)


def _format_axes(axes: "Axes", name: str, epochs: int) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set(xlabel="epoch", ylabel=name, xlim=(0.7, epochs + 0.3))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    clean_axes(axes)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, fontsize=8)


def decode_png(figure: bytes) -> NDArray[np.uint8]:
    """Return the pixels of a PNG, uint8 (H, W, 3), as dashboards take them."""
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(figure)).convert("RGB"))
