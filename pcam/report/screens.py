"""What a person reads before and after a training."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from pcam.data.source import Source
from pcam.data.sources import Opened

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


def described(source: Source, scale: str = "full") -> str:
    """Return "4,000 patches, 1,987 positive, 16 slides" of a source, and the scale where that is not the study's."""
    parts = [f"{len(source):,} patch{'es' if len(source) != 1 else ''}"]
    if source.labels is not None:
        parts.append(f"{int(source.labels.sum()):,} positive")
    parts.append("slides unknown" if source.groups is None else _counted(len(set(source.groups)), "slide"))
    if scale != "full":
        parts.append(f"scale={scale}")
    return ", ".join(parts)


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' if count != 1 else ''}"


def split(opened: Opened) -> str:
    """Return how the patches were split, and what was left out."""
    left = ", ".join(f"{count:,} of {name}" for name, count in opened.left_out.items())
    return f"{opened.how}; {opened.duplicates}" + (f"; left out: {left}" if left else "")


def before(facts: Sequence[tuple[str, str]]) -> str:
    """Return the screen of what is about to be trained: one fact a line."""
    width = max(len(name) for name, _ in facts)
    return "\n".join(f"{name:>{width}}  {value}" for name, value in facts)


@contextmanager
def progress(what: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar for work that tells (split, patches done, patches in all)."""
    with tqdm(unit="patch", desc=what, disable=None, leave=False) as bar:

        def told(split: str, done: int, size: int) -> None:
            if bar.total != size or done < bar.n:
                bar.reset(size)
                bar.set_description(f"{what}: {split}")
            bar.update(done - bar.n)

        yield told


def boxed(text: str) -> str:
    """Return a warning that cannot be missed."""
    import textwrap

    lines = textwrap.wrap(text, 92)
    rule = "!" * 98
    return "\n".join([rule, *(f"!! {line:<92} !!" for line in lines), rule])


def table(
    split: str, count: str, figures: Mapping[str, Mapping[str, float]], over: str, threshold: str = "threshold 0.5"
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
            rows.append(f"  {name:<18} {interval(figure, gap=3)}")
    rows.append(f"  95 % intervals: bootstrap over {over}; {threshold}")
    return "\n".join(rows)


def number(value: float) -> str:
    """Return "0.9251" of a figure."""
    return "not defined" if value != value else f"{value:.4f}"


def interval(figure: Mapping[str, float], gap: int = 1, form: str = ".4f") -> str:
    """Return "0.9251 [0.9114, 0.9395]" of a figure."""
    if figure["value"] != figure["value"]:
        return "not defined"
    low, high = (format(figure[key], form) for key in ("low", "high"))
    told = f"[{low}, {high}]" if figure["low"] == figure["low"] else "[not known]"
    return f"{figure['value']:{form}}{' ' * gap}{told}"


def signed(figure: Mapping[str, float]) -> str:
    """Return "+0.0112 [-0.0031, +0.0255]" of a difference."""
    return interval(figure, form="+.4f")


def p_value(p: float) -> str:
    """Return a p-value as it is printed."""
    return "" if p != p else "< 0.001" if p < 0.001 else f"{p:.3f}"


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of text, as Markdown, so that it can be pasted."""
    table = [list(head), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    lines = ["| " + " | ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) + " |" for row in table]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def parameters(count: Mapping[str, Any]) -> str:
    """Return "5.4 M (backbone 4.9 M, head 1,026)" of parameter counts."""

    def short(value: int) -> str:
        return f"{value / 1e6:.1f} M" if value >= 1e5 else f"{value:,}"

    total = sum(count.values())
    return f"{short(total)} (" + ", ".join(f"{name} {short(value)}" for name, value in count.items()) + ")"
