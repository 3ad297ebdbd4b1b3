"""Figures of an evaluation: curves with bands, calibration, confusion matrix, and scores."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pcam.config.classes import Classes, describe_class
from pcam.data.base import describe_source
from pcam.evaluation.error_plots import draw_errors
from pcam.evaluation.evaluate import Evaluation
from pcam.runs.figures import BLUE, GREY, ORANGE, canvas, clean_axes, png
from pcam.stats.curves import Curve, Reliability, operating_curves, reliability
from pcam.stats.formatting import METRIC_NAMES
from pcam.stats.intervals import Interval
from pcam.stats.metrics import Floats, Labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LIMITS = (-0.01, 1.01)
OVERVIEW = "evaluation.png"
MISTAKES = "mistakes.png"
PICTURES = (OVERVIEW, MISTAKES)
UNBOUNDED = ("nll", "loss")  # not shown on an axis from 0 to 1


def draw_evaluation(evaluation: Evaluation) -> dict[str, bytes]:
    """Draw an evaluation.

    Args:
        evaluation: of one network on one split.

    Returns:
        File name to PNG: "evaluation.png" if the split has both classes, "mistakes.png" if any
        patch is predicted wrongly.
    """
    figures = {}
    if evaluation.has_both_classes:
        figures[OVERVIEW] = draw_overview(evaluation)
    if len(evaluation.largest_errors):
        figures[MISTAKES] = draw_errors(evaluation)
    return figures


def draw_overview(evaluation: Evaluation) -> bytes:
    """Draw ROC, precision-recall, reliability, confusion matrix, scores and metrics.

    Args:
        evaluation: of one network on a split with both classes.

    Returns:
        A PNG.
    """
    label, probability = evaluation.label, evaluation.probability
    slides = evaluation.source.groups
    settings = {"resamples": evaluation.resamples, "seed": evaluation.seed}
    curves = operating_curves(evaluation.logit, label, slides, **settings)
    bins = reliability(probability, label, slides, **settings)
    figure = canvas(13, 7.6, 120)
    figure.suptitle(
        f"{evaluation.network} on {evaluation.data}, {evaluation.split}: "
        f"{describe_source(evaluation.source, evaluation.classes)}",
        fontsize=11,
    )
    (roc, precision_recall, calibration), (confusion, scores, metrics) = figure.subplots(2, 3)
    _draw_roc(roc, curves["roc"], evaluation.metrics["auroc"])
    _draw_precision_recall(
        precision_recall,
        curves["precision_recall"],
        evaluation.metrics["average_precision"],
        float(label.mean()),
    )
    _draw_reliability(calibration, bins, evaluation.metrics["ece"])
    classes = evaluation.classes
    _draw_confusion(confusion, evaluation.predicted, label, classes)
    _draw_scores(scores, probability, label, evaluation.rule.threshold, classes)
    _draw_metrics(metrics, evaluation.metrics)
    for axes in (roc, precision_recall, calibration, scores, metrics):
        clean_axes(axes)
    return png(figure)


def _draw_roc(axes: "Axes", curve: Curve, auroc: Interval) -> None:
    _draw_curve(axes, curve, f"AUROC {_format_metric(auroc)}")
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1, label="chance")
    axes.set(title="ROC", xlabel="false positive rate", ylabel="true positive rate (sensitivity)")
    axes.legend(frameon=False, fontsize=8, loc="lower right")


def _draw_precision_recall(
    axes: "Axes", curve: Curve, average_precision: Interval, prevalence: float
) -> None:
    _draw_curve(axes, curve, f"average precision {_format_metric(average_precision)}")
    axes.axhline(prevalence, color=GREY, linestyle=":", linewidth=1, label="chance")
    axes.set(title="Precision-recall", xlabel="recall", ylabel="precision")
    axes.legend(frameon=False, fontsize=8, loc="lower left")


def _draw_curve(axes: "Axes", curve: Curve, name: str) -> None:
    axes.fill_between(curve.x, curve.low, curve.high, color=BLUE, alpha=0.2, linewidth=0)
    axes.plot(curve.x, curve.y, color=BLUE, label=name)
    axes.set(xlim=LIMITS, ylim=LIMITS)


def _draw_reliability(axes: "Axes", bins: Reliability, ece: Interval) -> None:
    used = bins.patches > 0
    x, y = bins.probability[used], bins.observed[used]
    below, above = y - bins.low[used], bins.high[used] - y
    reach = np.nan_to_num(np.abs(np.stack([below, above])))
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1, label="perfect calibration")
    axes.errorbar(
        x,
        y,
        reach,
        color=BLUE,
        marker="o",
        markersize=4,
        linewidth=1,
        capsize=2,
        label=f"calibration error {_format_metric(ece)}",
    )
    axes.set(
        title="Reliability",
        xlabel="mean predicted probability",
        ylabel="fraction of positives",
        xlim=LIMITS,
        ylim=LIMITS,
    )
    axes.legend(frameon=False, fontsize=8, loc="lower right")


def _draw_confusion(
    axes: "Axes", predicted: NDArray[np.bool_], label: Labels, classes: Classes
) -> None:
    names = [describe_class(classes, value) for value in (0, 1)]
    counts = np.zeros((2, 2), np.int64)
    np.add.at(counts, (label.astype(np.int64), predicted.astype(np.int64)), 1)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for actual, guess in np.ndindex(2, 2):
        share = shares[actual, guess]
        text = f"{counts[actual, guess]:,}\n{100 * share:.1f} %"
        color = "white" if share > 0.5 else "black"
        axes.text(guess, actual, text, ha="center", va="center", color=color)
    axes.set(
        title="Confusion matrix",
        xticks=[0, 1],
        yticks=[0, 1],
        xticklabels=names,
        yticklabels=names,
        xlabel="predicted",
        ylabel="actual",
    )


def _draw_scores(
    axes: "Axes", probability: Floats, label: Labels, threshold: float, classes: Classes
) -> None:
    edges = np.linspace(0, 1, 41)
    for value, color in ((0, BLUE), (1, ORANGE)):
        chosen = probability[label == value]
        name = f"{describe_class(classes, value)} ({len(chosen):,})"
        axes.hist(chosen, list(edges), color=color, alpha=0.55, label=name)
    axes.axvline(
        threshold, color="0.2", linestyle=":", linewidth=1, label=f"threshold {threshold:.3g}"
    )
    axes.set(
        title="Predicted probabilities", xlabel=f"probability of {classes[1]}", ylabel="patches"
    )
    axes.locator_params(axis="y", integer=True)
    axes.legend(frameon=False, fontsize=8, loc="best")


def _draw_metrics(axes: "Axes", metrics: Mapping[str, Interval]) -> None:
    """Draw each metric on an axis from 0 to 1, with its interval."""
    names = [name for name, metric in metrics.items() if _fits_axis(name, metric)]
    names.reverse()  # the first is on top
    for row, name in enumerate(names):
        metric = metrics[name]
        if not np.isnan(metric["low"]):
            ends = [metric["low"], metric["high"]]
            axes.plot(ends, [row, row], color=BLUE, linewidth=2, alpha=0.5)
        axes.plot(metric["value"], row, marker="o", markersize=4, color=BLUE)
    titles = [METRIC_NAMES[name] for name in names]
    axes.set(title="Metrics", xlim=LIMITS, xlabel="value and 95 % interval")
    axes.set_yticks(range(len(names)), titles, fontsize=8)


def _fits_axis(name: str, metric: Interval) -> bool:
    """Return whether a metric can be shown on an axis from 0 to 1.

    Args:
        name: of the metric; the losses have no upper limit.
        metric: "value", "low" and "high"; NaN does not fit.
    """
    if name in UNBOUNDED:
        return False
    return 0 <= metric["value"] <= 1


def _format_metric(metric: Interval) -> str:
    """Return "0.925 [0.907, 0.940]", or "not defined"."""
    value, low, high = metric["value"], metric["low"], metric["high"]
    if np.isnan(value):
        return "not defined"
    text = f"{value:.3f}"
    if np.isnan(low):
        return text
    return f"{text} [{low:.3f}, {high:.3f}]"
