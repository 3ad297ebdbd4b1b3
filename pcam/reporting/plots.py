"""Pictures of several runs at once: curves of training, ROC, calibration, and what was tried against what came of it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from pcam.runs.figures import BLUE, GREY, ORANGE, canvas, clean_axes, png
from pcam.stats.curves import Curve, Reliability

COLORS = (
    BLUE,
    ORANGE,
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#E69F00",
    "#000000",
    "#F0E442",
)  # Okabe & Ito
DASHES = ("-", "--", ":", "-.")
NAMED = 24  # lines that a legend can tell apart


def _line(number: int, several: bool) -> dict[str, Any]:
    dashes = DASHES[number // len(COLORS) % len(DASHES)]
    return {
        "color": COLORS[number % len(COLORS)],
        "linestyle": dashes,
        "linewidth": 1.1 if several else 1.5,
    }


def _columns(names: Collection[str]) -> int:
    return max(1, min(len(names), 150 // (max(map(len, names)) + 8)))


def _below(names: Collection[str]) -> float:
    """Return the height that a legend takes, in inches."""
    return 0.16 * -(-len(names) // _columns(names)) + 0.15 if len(names) <= NAMED else 0


def _legend(figure: Any, handles: Sequence[Any], names: Collection[str]) -> None:
    if len(names) <= NAMED:
        short = [name if len(name) <= 140 else f"{name[:138]}…" for name in names]
        figure.legend(
            handles,
            short,
            loc="outside lower center",
            ncols=_columns(names),
            frameon=False,
            fontsize=8,
        )


def training(
    groups: Mapping[str, tuple[int, Sequence[Sequence[Mapping[str, str]]]]], title: str
) -> bytes:
    """Draw runs' losses and valid AUROC by epoch; those of one group have one colour.

    Args:
        groups: name to the number of its colour and the rows of each run's metrics.csv.
        title: of the figure.

    Returns:
        A PNG.
    """
    from matplotlib.ticker import MaxNLocator

    figure = canvas(11, 3.4 + _below(groups), 130)
    figure.suptitle(title, fontsize=11)
    handles: list[Any] = []
    panels = (
        ("train/loss_epoch", "training loss"),
        ("valid/loss", "validation loss"),
        ("valid/auroc", "validation AUROC"),
    )
    for axes, (column, told) in zip(figure.subplots(1, 3), panels, strict=True):
        handles = []
        for number, runs in groups.values():
            style: dict[str, Any] = {"marker": "o", "markersize": 3, **_line(number, len(runs) > 1)}
            for rows in runs:
                points = [
                    (int(row["epoch"]) + 1, float(row[column])) for row in rows if row.get(column)
                ]
                handle = axes.plot(*(zip(*points, strict=True) if points else ([], [])), **style)
            handles += handle
        axes.set(xlabel="epoch", ylabel=told)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        clean_axes(axes)
    _legend(figure, handles, groups)
    return png(figure)


def operating(
    groups: Mapping[str, tuple[int, Sequence[tuple[Curve, Reliability]]]], title: str
) -> bytes:
    """Draw runs' ROC and reliability; those of one group have one colour.

    Args:
        groups: name to the number of its colour and each run's ROC and bins.
        title: of the figure.

    Returns:
        A PNG.
    """
    figure = canvas(9.5, 4.2 + _below(groups), 130)
    figure.suptitle(title, fontsize=11)
    left, right = figure.subplots(1, 2)
    handles: list[Any] = []
    for number, runs in groups.values():
        style = _line(number, len(runs) > 1)
        for curve, bins in runs:
            handle = left.plot(curve.x, curve.y, **style)
            some = bins.patches > 0
            right.plot(
                bins.probability[some], bins.observed[some], marker="o", markersize=3, **style
            )
        handles += handle
    for axes in (left, right):
        axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
        clean_axes(axes)
    left.set(xlabel="1 - specificity", ylabel="sensitivity")
    right.set(xlabel="mean probability of a bin", ylabel="share of positives in it")
    _legend(figure, handles, groups)
    return png(figure)


def trials(
    trial: Sequence[int],
    values: Mapping[str, Sequence[Any]],
    score: Sequence[float],
    ended: Sequence[bool],
    best: int | None,
) -> bytes:
    """Draw what a search tried against the valid AUROC that it is judged by, key by key, and its best so far.

    Args:
        trial: their numbers.
        values: key to its value in each trial.
        score: valid AUROC of each trial, NaN where it has none.
        ended: whether it ran to its end; a pruned one is drawn hollow.
        best: the best trial's place, ringed.

    Returns:
        A PNG.
    """
    from matplotlib.ticker import MaxNLocator

    across, rows = min(len(values) + 1, 3), -(-(len(values) + 1) // 3)
    figure = canvas(3.6 * across, 3.1 * rows, 130)
    figure.suptitle(
        "trials by valid AUROC: filled, ran to its end; hollow, pruned; ringed, the best",
        fontsize=10,
    )
    places = figure.subplots(rows, across, squeeze=False).ravel()
    y = np.asarray(score, float)
    faces = [BLUE if whole else "none" for whole in ended]

    def dots(axes: Any, x: Any) -> None:
        axes.scatter(x, y, s=28, facecolors=faces, edgecolors=BLUE, linewidths=1.2, zorder=3)
        if best is not None:
            axes.scatter(
                [x[best]],
                [y[best]],
                s=150,
                facecolors="none",
                edgecolors=ORANGE,
                linewidths=1.6,
                zorder=4,
            )
        axes.set(ylabel="valid AUROC")
        clean_axes(axes)

    order = np.asarray(trial)
    dots(places[0], order)
    known = np.fmax.accumulate(y)
    places[0].step(order, known, where="post", color=GREY, linewidth=1)
    places[0].set(xlabel="trial")
    places[0].xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes, (key, tried) in zip(places[1:], values.items(), strict=False):
        numbers = [
            value
            for value in tried
            if isinstance(value, int | float) and not isinstance(value, bool)
        ]
        if len(numbers) == len(tried):
            dots(axes, np.asarray(tried, float))
            if min(numbers) > 0 and max(numbers) / min(numbers) > 20:
                axes.set_xscale("log")
        else:
            names = sorted({str(value) for value in tried})
            dots(axes, np.array([names.index(str(value)) for value in tried]))
            axes.set_xticks(range(len(names)), names, fontsize=8)
            axes.set_xlim(-0.5, len(names) - 0.5)
        axes.set(xlabel=key)
    for axes in places[len(values) + 1 :]:
        axes.set_visible(False)
    return png(figure)
