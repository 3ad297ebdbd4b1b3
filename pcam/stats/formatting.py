"""Numbers, intervals and tables as text."""

from collections.abc import Mapping, Sequence
from typing import Any

NAMES = {
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


def format_facts(facts: Sequence[tuple[str, str]]) -> str:
    """Return the screen of what is about to be trained: one fact a line."""
    width = max(len(name) for name, _ in facts)
    return "\n".join(f"{name:>{width}}  {value}" for name, value in facts)


def format_warning(text: str) -> str:
    """Return a warning that cannot be missed."""
    import textwrap

    lines = textwrap.wrap(text, 92)
    rule = "!" * 98
    return "\n".join([rule, *(f"!! {line:<92} !!" for line in lines), rule])


def format_metrics(
    split: str,
    count: str,
    figures: Mapping[str, Mapping[str, float]],
    over: str,
    threshold: str = "threshold 0.5",
) -> str:
    """Return the final table: each figure with its 95 % interval.

    Args:
        split: which the figures are of.
        count: of ``described``.
        figures: of ``bootstrap_metrics``.
        over: what the bootstrap draws, slides or patches.
        threshold: which, and how it was chosen.
    """
    rows = [f"{split}: {count}"]
    for key, name in NAMES.items():
        if key not in figures:
            continue
        figure = figures[key]
        if figure["value"] != figure["value"]:
            rows.append(f"  {name:<18} not defined (one class alone, or none called positive)")
        else:
            rows.append(f"  {name:<18} {format_interval(figure, gap=3)}")
    rows.append(f"  95 % intervals: bootstrap over {over}; {threshold}")
    return "\n".join(rows)


def format_number(value: float) -> str:
    """Return "0.9251" of a figure."""
    return "not defined" if value != value else f"{value:.4f}"


def format_interval(figure: Mapping[str, float], gap: int = 1, form: str = ".4f") -> str:
    """Return "0.9251 [0.9114, 0.9395]" of a figure."""
    if figure["value"] != figure["value"]:
        return "not defined"
    low, high = (format(figure[key], form) for key in ("low", "high"))
    told = f"[{low}, {high}]" if figure["low"] == figure["low"] else "[not known]"
    return f"{figure['value']:{form}}{' ' * gap}{told}"


def format_difference(figure: Mapping[str, float]) -> str:
    """Return "+0.0112 [-0.0031, +0.0255]" of a difference."""
    return format_interval(figure, form="+.4f")


def format_p_value(p: float) -> str:
    """Return a p-value as it is printed."""
    return "" if p != p else "< 0.001" if p < 0.001 else f"{p:.3f}"


def format_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of text, as Markdown, so that it can be pasted."""
    format_metrics = [list(head), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in format_metrics) for i in range(len(head))]
    lines = [
        "| "
        + " | ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        + " |"
        for row in format_metrics
    ]
    return "\n".join(
        [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]
    )


def format_parameters(count: Mapping[str, Any]) -> str:
    """Return "5.4 M (backbone 4.9 M, head 1,026)" of parameter counts."""

    def short(value: int) -> str:
        return f"{value / 1e6:.1f} M" if value >= 1e5 else f"{value:,}"

    total = sum(count.values())
    return (
        f"{short(total)} ("
        + ", ".join(f"{name} {short(value)}" for name, value in count.items())
        + ")"
    )
