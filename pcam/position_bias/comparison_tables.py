"""Positional bias of several runs as one Markdown page."""

from pcam.config.classes import describe_positive
from pcam.evaluation.compare import Comparison
from pcam.position_bias.results import BiasComparison, Effects, PositionBias
from pcam.position_bias.tables import VIEWS
from pcam.stats.formatting import format_difference, format_interval, format_p_value, format_table
from pcam.stats.intervals import Interval

HEAD = [
    "",
    "network",
    "view",
    "AUROC",
    "shifted by",
    "same prediction with noise",
    "rotated",
    "shifted",
    "shifted and rotated",
    "AUROC, shifted, beyond noise",
    "and beyond random crops",
]
NOTE = (
    "The view of a run that does not see the centre cannot be shifted. A shifted view also shows "
    "other tissue. A run trained on random crops cannot depend on the position; the last column is "
    "what a shift costs beyond "
    "what it costs that run."
)


def format_comparison(comparison: BiasComparison) -> str:
    """Return the tables of several runs, as Markdown."""
    facts = comparison.results[0].facts
    count = f"{facts.patches:,} patches, {facts.positive:,} {describe_positive(facts.classes)}"
    rows = [
        _row(str(number), result, beyond)
        for number, (result, beyond) in enumerate(
            zip(comparison.results, comparison.beyond_random, strict=True), 1
        )
    ]
    parts = [
        "# Does the prediction depend on the position?",
        f"{facts.data}, {facts.split}: {count}; 95 % intervals over {facts.over}.",
        format_table(HEAD, rows),
        NOTE,
    ]
    if comparison.compared is not None:
        parts += _difference_parts(comparison.compared)
    folders = zip(comparison.names, comparison.results, strict=True)
    parts.append("\n".join(f"- {folder}: {result.facts.run}" for folder, result in folders))
    return "\n\n".join(parts) + "\n"


def _row(number: str, result: PositionBias, beyond: Interval | None) -> list[str]:
    start = [number, result.facts.network, result.crop, format_interval(result.facts.auroc)]
    effects = ["", "", "", "", "", ""] if result.effects is None else _effects(result.effects)
    return [*start, *effects, "" if beyond is None else format_difference(beyond)]


def _effects(effects: Effects) -> list[str]:
    agreements = [format_interval(effects.changes[name]["agreement"], form=".3f") for name in VIEWS]
    beyond = format_difference(effects.changes["shift"]["beyond"]["auroc"])
    return [_reach(effects), *agreements, beyond]


def _reach(effects: Effects) -> str:
    """Return the largest shift."""
    ends = [*effects.view.low.tolist(), *effects.view.high.tolist()]
    reach = max(abs(end) for end in ends)
    return f"up to {reach}, mirrored" if effects.view.size is None else f"up to {reach}"


def _difference_parts(compared: Comparison) -> list[str]:
    """Return the tests of the differences of AUROC; runs are named by their number."""
    names = list(compared.runs)
    rows = []
    for pair in compared.pairs:
        first, second = names.index(pair.first) + 1, names.index(pair.second) + 1
        auroc = pair.tests["auroc"]
        p = format_p_value(auroc["p_holm"])
        rows.append([str(first), str(second), format_difference(auroc), p])
    return [
        f"Differences of AUROC, paired bootstrap over {compared.unit}, the same "
        f"{compared.patches:,} patches:",
        format_table(["first", "minus second", "AUROC", "p (Holm)"], rows),
    ]
