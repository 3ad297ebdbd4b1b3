"""Figure of the trials of a search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pcam.runs.figures import BLUE, GREY, ORANGE, canvas, clean_axes, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Trials:
    """The trials of a search.

    Attributes:
        numbers: of the trials.
        values: each varied key with its value in each trial.
        score: valid AUROC of each trial, NaN if it has none.
        finished: whether each trial ran to its end.
        best: position of the best trial; None without scores.
    """

    numbers: Sequence[int]
    values: Mapping[str, Sequence[object]]
    score: Floats
    finished: Sequence[bool]
    best: int | None


def plot_trials(trials: Trials) -> bytes:
    """Draw the valid AUROC of a search by trial, with the best so far, and by each varied key.

    Returns:
        A PNG.
    """
    from matplotlib.ticker import MaxNLocator

    count = len(trials.values) + 1
    columns, rows = min(count, 3), -(-count // 3)
    figure = canvas(3.6 * columns, 3.1 * rows, 130)
    figure.suptitle(
        "trials by valid AUROC: filled, finished; hollow, pruned; ringed, the best", fontsize=10
    )
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    numbers = np.asarray(trials.numbers, float)
    _plot_dots(panels[0], numbers, trials)
    panels[0].step(numbers, np.fmax.accumulate(trials.score), where="post", color=GREY, linewidth=1)
    panels[0].set(xlabel="trial")
    panels[0].xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes, (key, values) in zip(panels[1:], trials.values.items(), strict=False):
        _plot_key(axes, values, trials)
        axes.set(xlabel=key)
    for axes in panels[count:]:
        axes.set_visible(False)
    return png(figure)


def _plot_key(axes: "Axes", values: Sequence[object], trials: Trials) -> None:
    """Draw the scores by a key's values: numbers to scale, others by name.

    Args:
        axes: to draw into.
        values: of each trial.
        trials: N of them.
    """
    if all(map(_is_number, values)):
        _plot_numbers(axes, np.array(values, float), trials)
    else:
        _plot_names(axes, [str(value) for value in values], trials)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _plot_numbers(axes: "Axes", values: Floats, trials: Trials) -> None:
    """Draw the scores by numbers, on a logarithmic axis if they span more than a factor of 20.

    Args:
        axes: to draw into.
        values: (N,), of each trial.
        trials: N of them.
    """
    _plot_dots(axes, values, trials)
    smallest, largest = values.min(), values.max()
    if smallest > 0 and largest / smallest > 20:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")


def _plot_names(axes: "Axes", values: Sequence[str], trials: Trials) -> None:
    """Draw the scores by names, in alphabetic order.

    Args:
        axes: to draw into.
        values: the name of each trial.
        trials: N of them.
    """
    names = sorted(set(values))
    places = np.array([names.index(value) for value in values], float)
    _plot_dots(axes, places, trials)
    axes.set_xticks(range(len(names)), names, fontsize=8)
    axes.set_xlim(-0.5, len(names) - 0.5)


def _plot_dots(axes: "Axes", x: Floats, trials: Trials) -> None:
    """Draw a point for each trial and a ring around the best.

    Args:
        axes: to draw into.
        x: (N,), the place of each trial.
        trials: N of them.
    """
    faces = [BLUE if finished else "none" for finished in trials.finished]
    axes.scatter(x, trials.score, s=28, facecolors=faces, edgecolors=BLUE, linewidths=1.2, zorder=3)
    if trials.best is not None:
        place = x[[trials.best]], trials.score[[trials.best]]
        axes.scatter(*place, s=150, facecolors="none", edgecolors=ORANGE, linewidths=1.6, zorder=4)
    axes.set(ylabel="valid AUROC")
    clean_axes(axes)
