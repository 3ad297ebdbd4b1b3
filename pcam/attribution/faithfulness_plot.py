"""The figure of all measures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pcam.attribution.measures import MEASURES, NO_NETWORK, RANDOM, TRAINED, Row
from pcam.attribution.titles import method_title
from pcam.runs.figures import BLUE, GREY, ORANGE, canvas, clean_axes, png
from pcam.stats.formatting import pluralize

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 4
COLOURS = {TRAINED: BLUE, RANDOM: ORANGE, NO_NETWORK: "0.25"}
SHIFTS = {TRAINED: -0.14, RANDOM: 0.14, NO_NETWORK: 0.0}  # of a method's markers
LABELS = {TRAINED: "trained network", RANDOM: "random weights", NO_NETWORK: "no network"}


def plot_faithfulness(title: str, rows: Sequence[Row]) -> bytes:
    """Draw each measure of each method with its interval, beside random weights and chance.

    Args:
        title: of the figure.
        rows: of all measures, methods and networks.

    Returns:
        A PNG.
    """
    by_measure = _group_by_measure(rows)
    methods = list(dict.fromkeys(row.method for row in rows))
    down = -(-len(by_measure) // COLUMNS)
    figure = canvas(15, down * (0.24 * len(methods) + 1.3) + 0.6, 110)
    figure.suptitle(title, fontsize=11)
    axes = figure.subplots(down, COLUMNS, squeeze=False, sharey=True).ravel()
    for place, (name, of_measure) in zip(axes, by_measure.items(), strict=False):
        _draw_measure(place, name, of_measure, methods)
    for place in axes[len(by_measure) :]:
        place.set_axis_off()
    _draw_legend(figure, axes[0])
    return png(figure)


def _group_by_measure(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the rows of each measure that has any.

    Args:
        rows: of all measures, methods and networks.

    Returns:
        The rows by measure, in the order of ``MEASURES``.
    """
    by_measure: dict[str, list[Row]] = {name: [] for name in MEASURES}
    for row in rows:
        by_measure[row.measure].append(row)
    return {name: of_measure for name, of_measure in by_measure.items() if of_measure}


def _draw_measure(place: Axes, name: str, rows: Sequence[Row], methods: list[str]) -> None:
    """Draw one measure: a line per method.

    Args:
        place: to draw into.
        name: of the measure.
        rows: of this measure, at least one.
        methods: of the whole figure, from the top.
    """
    from matplotlib.ticker import MaxNLocator

    for row in rows:
        level = methods.index(row.method) + SHIFTS[row.network]
        if not math.isnan(row.value):
            _draw_row(place, row, level)
    measure = MEASURES[name]
    count = max(row.patches for row in rows)
    place.set_title(f"{measure.title} ({pluralize(count, 'patch')})", fontsize=9)
    if measure.correlation:
        place.set_xlim(-1.05, 1.05)
    titles = [method_title(method) for method in methods]
    place.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    place.set(yticks=range(len(methods)), ylim=(len(methods) - 0.5, -0.5))
    place.set_yticklabels(titles, fontsize=8)
    clean_axes(place)


def _draw_row(place: Axes, row: Row, level: float) -> None:
    """Draw a value, its interval and chance at one height.

    Args:
        place: to draw into.
        row: whose value is known.
        level: the height; methods are 1 apart.
    """
    colour = COLOURS[row.network]
    if not math.isnan(row.low):
        place.plot([row.low, row.high], [level, level], color=colour, linewidth=2, alpha=0.45)
    place.plot(row.value, level, marker="o", markersize=4, color=colour)
    if row.chance is not None:
        place.plot([row.chance] * 2, [level - 0.3, level + 0.3], color=GREY, linewidth=1.4)


def _draw_legend(figure: Figure, place: Axes) -> None:
    """Draw the legend below all axes."""
    handles = []
    for network, colour in COLOURS.items():
        label = LABELS[network]
        handles += place.plot([], [], marker="o", linestyle="none", color=colour, label=label)
    handles += place.plot([], [], color=GREY, label="chance")
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
