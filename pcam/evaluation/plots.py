"""Pictures of an evaluation: curves with their bands, calibration, what was called what, and the worst mistakes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcam.runs.figures import BLUE, GREY, ORANGE, canvas, clean_axes, png
from pcam.stats.curves import Curve, Reliability
from pcam.stats.formatting import METRIC_NAMES
from pcam.stats.metrics import Floats

MISTAKES = 16


def overview(
    title: str,
    probability: Floats,
    label: NDArray[np.uint8],
    threshold: float,
    figures: Mapping[str, Mapping[str, float]],
    curves: Mapping[str, Curve],
    bins: Reliability,
) -> bytes:
    """Draw ROC, precision-recall, reliability, the confusion matrix and the scores of each class.

    Args:
        title: of the figure.
        probability: (N,), of the positive class.
        label: (N,), 0 or 1.
        threshold: from which a patch is called positive.
        figures: name to value, low and high, of ``auroc``, ``average_precision`` and ``ece``.
        curves: of ``operating_curves``.
        bins: of ``reliability``.

    Returns:
        A PNG.
    """
    figure = canvas(13, 7.6, 120)
    figure.suptitle(title, fontsize=11)
    axes = figure.subplots(2, 3).ravel()
    panels = (
        ("roc", "1 - specificity", "sensitivity", f"AUROC {_told(figures['auroc'])}"),
        (
            "precision_recall",
            "recall",
            "precision",
            f"average precision {_told(figures['average_precision'])}",
        ),
    )
    for panel, (which, across, up, name) in zip(axes, panels, strict=False):
        curve = curves[which]
        panel.fill_between(curve.x, curve.low, curve.high, color=BLUE, alpha=0.2, linewidth=0)
        panel.plot(curve.x, curve.y, color=BLUE, label=name)
        panel.set(xlabel=across, ylabel=up, xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
        panel.legend(frameon=False, fontsize=8, loc="lower center")
    axes[0].plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
    axes[1].axhline(label.mean(), color=GREY, linestyle=":", linewidth=1)
    _reliability(axes[2], bins, f"calibration error {_told(figures['ece'])}")
    _confusion(axes[3], probability >= threshold, label)
    edges = np.linspace(0, 1, 41)
    for value, name, color in ((0, "negative", BLUE), (1, "positive", ORANGE)):
        axes[4].hist(
            probability[label == value],
            edges,
            color=color,
            alpha=0.55,
            label=f"{name} ({(label == value).sum():,})",
        )
    axes[4].axvline(
        threshold, color="0.2", linestyle=":", linewidth=1, label=f"threshold {threshold:.3g}"
    )
    axes[4].set(xlabel="probability", ylabel="patches")
    axes[4].legend(frameon=False, fontsize=8, loc="best")
    _intervals(axes[5], figures)
    for panel in axes[[0, 1, 2, 4, 5]]:
        clean_axes(panel)
    return png(figure)


def mistakes(patches: NDArray[np.uint8], captions: Sequence[str], square: int | None) -> bytes:
    """Draw the worst mistakes, (n, H, W, 3), under their captions; ``square`` pixels of the centre are outlined.

    Returns:
        A PNG.
    """
    from matplotlib.patches import Rectangle

    rows = -(-max(len(patches), 1) // 4)
    figure = canvas(9, 2.55 * rows, 120)
    for i, axes in enumerate(figure.subplots(rows, 4, squeeze=False).ravel()):
        axes.set_axis_off()
        if i >= len(patches):
            continue
        axes.imshow(patches[i], interpolation="nearest")
        axes.set_title(captions[i], fontsize=7.5)
        if square is not None:
            height, width = patches[i].shape[:2]
            corner = ((width - square) / 2 - 0.5, (height - square) / 2 - 0.5)
            axes.add_patch(
                Rectangle(corner, square, square, fill=False, edgecolor="black", linewidth=1)
            )
    return png(figure)


def _told(figure: Mapping[str, float]) -> str:
    if figure["value"] != figure["value"]:
        return "not defined"
    interval = (
        f" [{figure['low']:.3f}, {figure['high']:.3f}]" if figure["low"] == figure["low"] else ""
    )
    return f"{figure['value']:.3f}{interval}"


def _reliability(axes: Any, bins: Reliability, name: str) -> None:
    some = bins.patches > 0
    x, y = bins.probability[some], bins.observed[some]
    reach = np.nan_to_num(np.abs(np.stack([y - bins.low[some], bins.high[some] - y])))
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
    axes.errorbar(
        x, y, reach, color=BLUE, marker="o", markersize=4, linewidth=1, capsize=2, label=name
    )
    axes.set(
        xlabel="mean probability of a bin",
        ylabel="share of positives in it",
        xlim=(-0.01, 1.01),
        ylim=(-0.01, 1.01),
    )
    axes.legend(frameon=False, fontsize=8, loc="upper left")


def _confusion(axes: Any, called: NDArray[np.bool_], label: NDArray[np.uint8]) -> None:
    counts = np.array(
        [[np.sum((label == truth) & (called == said)) for said in (0, 1)] for truth in (0, 1)]
    )
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for truth in (0, 1):
        for said in (0, 1):
            color = "white" if shares[truth, said] > 0.6 else "black"
            told = f"{counts[truth, said]:,}\n{100 * shares[truth, said]:.1f} %"
            axes.text(said, truth, told, ha="center", va="center", color=color)
    names = ["negative", "positive"]
    axes.set(
        xticks=[0, 1],
        yticks=[0, 1],
        xticklabels=names,
        yticklabels=names,
        xlabel="called",
        ylabel="is",
    )


def _intervals(axes: Any, figures: Mapping[str, Mapping[str, float]]) -> None:
    """Draw each figure from 0 to 1 with its interval."""
    names = [
        name
        for name, figure in figures.items()
        if 0 <= figure["value"] <= 1 and name not in ("nll", "loss")
    ]
    for row, name in enumerate(reversed(names)):
        figure = figures[name]
        if figure["low"] == figure["low"]:
            axes.plot(
                [figure["low"], figure["high"]], [row, row], color=BLUE, linewidth=2, alpha=0.5
            )
        axes.plot(figure["value"], row, marker="o", markersize=4, color=BLUE)
    axes.set(yticks=range(len(names)), xlim=(-0.01, 1.01), xlabel="value and 95 % interval")
    axes.set_yticklabels([METRIC_NAMES.get(name, name) for name in reversed(names)], fontsize=8)
