"""Files of a measurement of positional bias."""

from collections.abc import Mapping
from pathlib import Path

from scipy.special import expit

from pcam.evaluation.output import summarize_comparison
from pcam.position_bias.comparison_tables import format_comparison
from pcam.position_bias.plots import plot_examples, plot_shift_map, plot_swaps
from pcam.position_bias.results import BiasComparison, Content, Effects, PositionBias
from pcam.runs.files import write_csv, write_file, write_json
from pcam.runs.predictions import write_predictions

FIGURE_COLUMNS = ("figure", "value", "low", "high", "p")


def write_bias(result: PositionBias, folder: Path) -> None:
    """Write a run's summary.json and predictions, and the tables and figures of its effects."""
    probability = expit(result.logodds)
    split = result.facts.split
    write_predictions(
        folder, split, result.ids, result.labels, probability, result.slides, logit=result.logodds
    )
    if result.effects is not None:
        _write_logodds(result, result.effects, folder)
        _write_changes(result.effects, folder)
        _write_shift_map(result, result.effects, folder)
        _write_figures(result, result.effects, folder)
    write_json(folder / "summary.json", result.summary())


def write_comparison(comparison: BiasComparison, folder: Path) -> Path:
    """Write bias.md, summary.json and compare/summary.json.

    Each run's own files are written by ``write_bias``.

    Returns:
        bias.md.
    """
    page = folder / "bias.md"
    write_file(page, format_comparison(comparison))
    if comparison.compared is not None:
        summary = summarize_comparison(comparison.compared)
        write_json(folder / "compare" / "summary.json", summary)
    write_json(folder / "summary.json", summarize_runs(comparison))
    return page


def summarize_runs(comparison: BiasComparison) -> Content:
    """Return the content of summary.json of several runs."""
    runs = []
    for name, result, beyond in zip(
        comparison.names, comparison.results, comparison.beyond_random, strict=True
    ):
        run = {"folder": name, "crop": result.crop, **result.summary()}
        if beyond is not None:
            run["beyond_random"] = beyond
        runs.append(run)
    compared = comparison.compared
    return {
        "runs": runs,
        "compare": None if compared is None else summarize_comparison(compared),
    }


def _write_logodds(result: PositionBias, effects: Effects, folder: Path) -> None:
    """Write answers.csv: each patch's label, offset when shifted, and log-odds by kind of view."""
    columns = ["id", "label", "row", "column", *effects.logodds]
    offsets = effects.offsets.tolist()
    rows = []
    for number, name in enumerate(result.ids):
        logodds = [float(values[number]) for values in effects.logodds.values()]
        rows.append([name, int(result.labels[number]), *offsets[number], *logodds])
    write_csv(folder / "answers.csv", columns, rows)


def _write_changes(effects: Effects, folder: Path) -> None:
    """Write views.csv and swaps.csv: a row per figure, with its interval."""
    views = []
    for name, change in effects.changes.items():
        views += [[name, *row] for row in _figures(change)]
    write_csv(folder / "views.csv", ["view", *FIGURE_COLUMNS], views)
    swaps = []
    for swap in effects.swaps:
        content: Mapping[str, object] = swap.change or {"logodds": swap.logodds}
        swaps += [[swap.region, swap.given, *row] for row in _figures(content)]
    if swaps:
        write_csv(folder / "swaps.csv", ["region", "given", *FIGURE_COLUMNS], swaps)


def _figures(content: Mapping[str, object], prefix: str = "") -> list[list[object]]:
    """Return a row per interval of nested tables: its dotted name, value, low, high and p."""
    rows: list[list[object]] = []
    for name, value in content.items():
        assert isinstance(value, Mapping)
        if "value" in value:
            bounds = [value.get(column, "") for column in FIGURE_COLUMNS[1:]]
            rows.append([prefix + name, *bounds])
        else:
            rows += _figures(value, f"{prefix}{name}.")
    return rows


def _write_shift_map(result: PositionBias, effects: Effects, folder: Path) -> None:
    if not effects.shift_map:
        return
    columns = list(effects.shift_map[0])
    rows = [list(row.values()) for row in effects.shift_map]
    write_csv(folder / "shift_map.csv", columns, rows)
    title = f"{result.title}: {effects.map_patches:,} patches"
    write_file(folder / "figures" / "shift_map.png", plot_shift_map(title, effects.shift_map))


def _write_figures(result: PositionBias, effects: Effects, folder: Path) -> None:
    if effects.swaps:
        title = f"{result.title}: {result.patch_count}"
        write_file(folder / "figures" / "swaps.png", plot_swaps(title, effects.swaps))
    count = len(next(iter(effects.examples.values())))
    captions = [
        f"label {label}\nlog-odds {logodds:+.2f}"
        for label, logodds in zip(result.labels[:count], result.logodds[:count], strict=True)
    ]
    figure = plot_examples(effects.examples, captions)
    write_file(folder / "figures" / "views.png", figure)
