"""An attribution as text: how complete and how faithful the maps are."""

import math
import textwrap
from collections.abc import Mapping, Sequence

from pcam.attribution.measures import MEASURES, NO_NETWORK, RANDOM, TRAINED, NetworkKind, Row
from pcam.attribution.results import Attribution, Completeness, Faithfulness
from pcam.attribution.titles import method_title
from pcam.stats.formatting import format_interval, format_table, pluralize

WIDTH = 118  # characters of a line
TABLES = (
    ("centre_share", "centre_pointing"),
    ("tumour_share", "tumour_pointing", "deciding_share", "deciding_pointing"),
    ("deletion", "insertion", "infidelity"),
    ("symmetry", "random_head", "random_half", "random_all"),
    ("sensitivity", "completeness_gap"),
)

# How a method compares with chance or with the Gaussian, by its interval.
BETTER, NOT_DIFFERENT, WORSE = 1, 0, -1


def format_attribution(attribution: Attribution) -> str:
    """Return what is known of the maps: incomplete maps, and the tables of measures.

    Args:
        attribution: of a run's patches.

    Returns:
        Paragraphs of text; "" if all maps are complete and none is measured.
    """
    precision = attribution.subject.precision
    parts = []
    for name, completeness in attribution.completeness.items():
        if completeness.short:
            parts.append(_describe_incomplete(name, completeness, precision))
    if attribution.faithfulness is not None:
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
    return "\n\n".join([faithfulness.title, *_format_tables(rows), "\n".join(notes)])


def compare_with_chance(rows: Sequence[Row]) -> list[str]:
    """Return a line per measure: which methods do not beat chance, and which do untrained.

    A method beats chance if the interval of its difference from chance is wholly on the better
    side of zero.

    Args:
        rows: of all measures, methods and networks.

    Returns:
        A heading and the lines; nothing if no measure is compared.
    """
    lines = []
    for measure, definition in MEASURES.items():
        compared = [row for row in rows if row.measure == measure and _is_compared(row)]
        if not compared or not definition.better:
            continue
        groups = {
            "worse": _methods_on_side(compared, TRAINED, WORSE),
            "not different": _methods_on_side(compared, TRAINED, NOT_DIFFERENT),
            "better on random weights too": _methods_on_side(compared, RANDOM, BETTER),
        }
        text = _join(groups) or "all are better, and none on random weights"
        lines.append(_wrap(f"  {definition.title}: {text}"))
    if not lines:
        return []
    return ["compared with chance, by the interval of the difference:", *lines]


def compare_with_gaussian(rows: Sequence[Row]) -> list[str]:
    """Return a line per measure: which methods beat the Gaussian baseline.

    Args:
        rows: of all measures, methods and networks.

    Returns:
        A heading and the lines; nothing if no measure is compared.
    """
    known = [row for row in rows if _is_known(row.less_gaussian_low)]
    trained = [row for row in known if row.network == TRAINED]
    lines = []
    for measure, definition in MEASURES.items():
        sides: dict[int, list[str]] = {BETTER: [], NOT_DIFFERENT: [], WORSE: []}
        for row in trained:
            if row.measure == measure:
                side = _side(row.less_gaussian_low, row.less_gaussian_high, definition.better)
                sides[side].append(method_title(row.method))
        groups = {
            "better": sides[BETTER],
            "not different": sides[NOT_DIFFERENT],
            "worse": sides[WORSE],
        }
        text = _join(groups)
        if text:
            lines.append(_wrap(f"  {definition.title}: {text}"))
    if not lines:
        return []
    return ["compared with a Gaussian over the centre, which needs no network:", *lines]


def _methods_on_side(rows: Sequence[Row], network: NetworkKind, side: int) -> list[str]:
    """Return the methods whose difference from chance is on one side.

    Args:
        rows: of one measure, on any networks.
        network: whose rows count.
        side: BETTER, NOT_DIFFERENT or WORSE.

    Returns:
        Their titles.
    """
    titles = []
    for row in rows:
        better = MEASURES[row.measure].better
        row_side = _side(row.less_chance_low, row.less_chance_high, better)
        if row.network == network and row_side == side:
            titles.append(method_title(row.method))
    return titles


def _side(low: float | None, high: float | None, better: int) -> int:
    """Return on which side of zero an interval lies: better, not different or worse.

    Args:
        low: start of the interval; None if unknown.
        high: its end.
        better: the sign of what is better.
    """
    if low is not None and low > 0:
        return better
    if high is not None and high < 0:
        return -better
    return NOT_DIFFERENT


def _is_compared(row: Row) -> bool:
    """Whether a row of a network has an interval of its difference from chance."""
    return row.network != NO_NETWORK and _is_known(row.less_chance_low)


def _is_known(value: float | None) -> bool:
    return value is not None and not math.isnan(value)


def _join(groups: Mapping[str, list[str]]) -> str:
    """Return groups of methods as one text.

    Args:
        groups: titles of methods by the label of their group.

    Returns:
        "better: A, B; worse: C", without the groups that are empty.
    """
    parts = []
    for label, titles in groups.items():
        if titles:
            names = ", ".join(titles)
            parts.append(f"{label}: {names}")
    return "; ".join(parts)


def _wrap(line: str) -> str:
    return textwrap.fill(line, WIDTH, subsequent_indent="    ", break_on_hyphens=False)


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
