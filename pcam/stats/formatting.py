"""Text for numbers, intervals, tables and short facts."""

import math
import textwrap
from collections.abc import Mapping, Sequence

from pcam.errors import printable

METRIC_NAMES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "loss": "loss",
    "auroc": "AUROC",
    "average_precision": "average precision",
    "f1": "F1",
    "precision": "precision",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "brier": "Brier score",
    "nll": "NLL",
    "ece": "calibration error",
}
BYTE_UNITS = ("B", "kB", "MB", "GB", "TB")
WARNING_WIDTH = 92  # characters of text inside the box of a warning


def join_words(words: Sequence[str]) -> str:
    """Return "train", "train and valid" or "train, valid and test".

    Args:
        words: At least one.
    """
    if len(words) == 1:
        return words[0]
    return f"{', '.join(words[:-1])} and {words[-1]}"


def pluralize(count: int, noun: str, plural: str | None = None) -> str:
    """Return a count with its noun.

    Args:
        count: How many.
        noun: The singular.
        plural: The plural, where it is not the noun with "s" or "es".

    Returns:
        "1 patch", "2,500 patches", "3 copies".
    """
    if count == 1:
        return f"1 {noun}"
    if plural is not None:
        return f"{count:,} {plural}"
    ending = "es" if noun.endswith(("ch", "sh", "s", "x")) else "s"
    return f"{count:,} {noun}{ending}"


def format_facts(facts: Sequence[tuple[str, str]]) -> str:
    """Return one line per fact.

    Args:
        facts: Name and value of each, at least one.

    Returns:
        Lines with the names aligned to the right, then two spaces and the value.
    """
    width = max(len(name) for name, _ in facts)
    return "\n".join(f"{name:>{width}}  {printable(value)}" for name, value in facts)


def format_warning(text: str) -> str:
    """Return a warning in a box of exclamation marks.

    Args:
        text: One paragraph, of any length; it is wrapped.
    """
    rule = "!" * (WARNING_WIDTH + 6)
    lines = [f"!! {line:<{WARNING_WIDTH}} !!" for line in textwrap.wrap(text, WARNING_WIDTH)]
    return "\n".join([rule, *lines, rule])


def format_metrics(
    split: str,
    description: str,
    metrics: Mapping[str, Mapping[str, float]],
    unit: str,
    threshold: str = "threshold 0.5",
) -> str:
    """Return a split's metrics, one per line, each with its 95 % interval.

    Args:
        split: The split's name.
        description: What the split contains, as ``describe_source`` returns it.
        metrics: Metric to "value", "low" and "high", as ``bootstrap_metrics`` returns it.
        unit: What the bootstrap resamples, "slides" or "patches".
        threshold: Which threshold, and how it was chosen.
    """
    lines = [f"{split}: {description}"]
    for key, name in METRIC_NAMES.items():
        if key in metrics:
            lines.append(f"  {name:<18} {_format_metric(metrics[key])}")
    lines.append(f"  95 % intervals: bootstrap over {unit}; {threshold}")
    return "\n".join(lines)


def _format_metric(metric: Mapping[str, float]) -> str:
    if math.isnan(metric["value"]):
        return "not defined (one class only, or no patch predicted positive)"
    return format_interval(metric, gap=3)


def format_number(value: float) -> str:
    """Return a metric's value: "0.9251", or "not defined" for NaN."""
    return "not defined" if math.isnan(value) else f"{value:.4f}"


def format_interval(metric: Mapping[str, float], gap: int = 1, form: str = ".4f") -> str:
    """Return a value with its interval: "0.9251 [0.9114, 0.9395]".

    Args:
        metric: "value", "low" and "high"; NaN where unknown.
        gap: Spaces between value and interval.
        form: Format specification of each number.
    """
    if math.isnan(metric["value"]):
        return "not defined"
    interval = "[not known]"
    if not math.isnan(metric["low"]):
        interval = f"[{metric['low']:{form}}, {metric['high']:{form}}]"
    return f"{metric['value']:{form}}{' ' * gap}{interval}"


def format_difference(difference: Mapping[str, float]) -> str:
    """Return a difference with its interval and signs: "+0.0112 [-0.0031, +0.0255]"."""
    return format_interval(difference, form="+.4f")


def format_p_value(p: float) -> str:
    """Return a p-value as tables show it.

    Args:
        p: From 0 to 1, or NaN.

    Returns:
        "0.031", "< 0.001", or "" for NaN.
    """
    if math.isnan(p):
        return ""
    if p < 0.001:
        return "< 0.001"
    return f"{p:.3f}"


def format_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown with aligned columns.

    Args:
        head: Titles of the columns.
        rows: Cells, as many in each row as there are titles.

    Raises:
        ValueError: A row has another number of cells.
    """
    lines = [list(map(printable, line)) for line in (head, *rows)]
    columns = zip(*lines, strict=True)
    widths = [max(map(len, column)) for column in columns]
    text = [_format_row(line, widths) for line in lines]
    dashes = ["-" * (width + 2) for width in widths]
    rule = "|" + "|".join(dashes) + "|"
    return "\n".join([text[0], rule, *text[1:]])


def _format_row(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)]
    return f"| {' | '.join(padded)} |"


def format_parameters(counts: Mapping[str, int]) -> str:
    """Return parameter counts: "5.4 M (backbone 4.9 M, head 1,026)".

    Args:
        counts: Number of parameters of each part of a network.
    """
    total = _format_count(sum(counts.values()))
    parts = [f"{name} {_format_count(count)}" for name, count in counts.items()]
    return f"{total} ({', '.join(parts)})"


def _format_count(count: int) -> str:
    return f"{count / 1e6:.1f} M" if count >= 1e5 else f"{count:,}"


def format_size(count: float) -> str:
    """Return a number of bytes with its unit, as 1.2 MB."""
    for unit in BYTE_UNITS[:-1]:
        if count < 1000:
            return f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} {BYTE_UNITS[-1]}"
