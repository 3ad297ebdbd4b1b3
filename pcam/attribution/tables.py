"""An attribution as text: how complete and how faithful the maps are."""

import math
from collections.abc import Mapping, Sequence

from pcam.attribution.comparisons import compare_with_chance, compare_with_gaussian
from pcam.attribution.measures import DIFFERENCE, MEASURES, RANDOM, NetworkKind, Row
from pcam.attribution.results import Attribution, Completeness, Faithfulness
from pcam.attribution.titles import method_title
from pcam.attribution.verdicts import format_verdicts
from pcam.stats.formatting import format_interval, format_table, pluralize

TABLES = (
    ("centre_share", "centre_pointing"),
    ("tumour_share", "tumour_pointing", "deciding_share", "deciding_pointing"),
    ("deletion", "insertion", DIFFERENCE, "infidelity"),
    ("symmetry", "random_head", "random_half", "random_all"),
    ("sensitivity", "completeness_gap"),
)


def format_attribution(attribution: Attribution, all_tables: bool = False) -> str:
    """Return what is known of the maps: incomplete maps, the verdicts and the tables of measures.

    Args:
        attribution: of a run's patches.
        all_tables: whether there are tables of all measures beside that of the verdicts.

    Returns:
        Paragraphs of text; "" if all maps are complete and none is measured.
    """
    precision = attribution.subject.precision
    parts = []
    for name, completeness in attribution.completeness.items():
        if completeness.short:
            parts.append(_describe_incomplete(name, completeness, precision))
    if attribution.faithfulness is not None:
        verdicts = format_verdicts(attribution.faithfulness.rows)
        parts.append(f"{attribution.faithfulness.title}\n\n{verdicts}")
        if all_tables:
            parts.append(format_faithfulness(attribution.faithfulness))
    return "\n\n".join(parts)


def _describe_incomplete(name: str, completeness: Completeness, precision: str) -> str:
    """Return how many of a method's maps are not complete, and what helps.

    Args:
        name: of the method.
        completeness: of its maps.
        precision: of the network.
    """
    hint = ""
    if precision != "32-true":  # more steps do not help against rounding
        hint = f"; {precision} is not exact enough, use precision=32-true"
    elif completeness.most_steps:
        hint = "; raise max_steps"
    return (
        f"  {name}: {completeness.short} of {pluralize(completeness.patches, 'map')} miss the "
        f"change of the log-odds by more than 1 %, at most {completeness.largest_gap:.1%}{hint}"
    )


def format_faithfulness(faithfulness: Faithfulness) -> str:
    """Return the tables of measures, and which methods beat chance and the Gaussian baseline."""
    rows = faithfulness.rows
    notes = [*compare_with_chance(rows), *compare_with_gaussian(rows)]
    notes += _describe_empty_maps(faithfulness)
    return "\n\n".join([*_format_tables(rows), "\n".join(notes)])


def _describe_empty_maps(faithfulness: Faithfulness) -> list[str]:
    """Return a line per method some of whose maps are empty."""
    total = faithfulness.patches
    shares = [row for row in faithfulness.rows if row.measure == "centre_share"]
    lines = []
    for row in shares:
        empty = total - row.patches
        if empty > 0:
            title = method_title(row.method)
            lines.append(f"  {title}, {row.network}: {empty} of {total} maps are empty, left out")
    return lines


def _format_tables(rows: Sequence[Row]) -> list[str]:
    """Return the tables of the measures that are there.

    Args:
        rows: of all measures, methods and networks.
    """
    present = {row.measure for row in rows}
    tables = []
    for group in TABLES:
        shown = [name for name in group if name in present]
        if shown:
            tables.append(_format_group(rows, shown))
    return tables


def _format_group(rows: Sequence[Row], shown: Sequence[str]) -> str:
    """Return one table: a line per method and network, and chance at the foot.

    Args:
        rows: of all measures; only those to show are in the table.
        shown: the measures, in the order of the columns.
    """
    by_candidate: dict[tuple[str, NetworkKind], dict[str, str]] = {}
    chances: dict[str, str] = {}
    for row in rows:
        if row.measure not in shown:
            continue
        cells = by_candidate.setdefault((row.method, row.network), {})
        cells[row.measure] = _format_cell(row)
        if row.chance is not None and not _has_own_chance(row):
            chances[row.measure] = f"{row.chance:.3f}"
    lines = []
    for (method, network), cells in by_candidate.items():
        lines.append([_candidate_title(method, network), *_in_columns(cells, shown)])
    if chances:
        lines.append(["chance", *_in_columns(chances, shown)])
    titles = [MEASURES[name].title for name in shown]
    return format_table(["", *titles], lines)


def _candidate_title(method: str, network: NetworkKind) -> str:
    """Return the title of a method on one network; the trained one is not named."""
    title = method_title(method)
    return f"{title}, random weights" if network == RANDOM else title


def _in_columns(cells: Mapping[str, str], shown: Sequence[str]) -> list[str]:
    """Return a cell for each measure, "" where there is none."""
    return [cells.get(name, "") for name in shown]


def _has_own_chance(row: Row) -> bool:
    """Whether chance depends on the method, and so is shown beside each value."""
    return row.measure.endswith("_share")


def _format_cell(row: Row) -> str:
    """Return a value with its interval; for shares beside chance.

    Args:
        row: one measure of one method on one network.

    Returns:
        "0.412 [0.380, 0.445]", "0.412 [0.380, 0.445] (chance 0.111)", or "not defined".
    """
    interval = {"value": row.value, "low": row.low, "high": row.high}
    text = format_interval(interval, form=".3f")
    if _has_own_chance(row) and not math.isnan(row.value):
        return f"{text} (chance {row.chance:.3f})"
    return text
