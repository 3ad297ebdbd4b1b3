"""An attribution as text: which methods beat chance, and which the Gaussian baseline."""

import textwrap
from collections.abc import Mapping, Sequence

from pcam.attribution.measures import (
    BETTER,
    MEASURES,
    NO_NETWORK,
    NOT_DIFFERENT,
    RANDOM,
    TRAINED,
    UNKNOWN_DIFFERENCE,
    WORSE,
    NetworkKind,
    Row,
)
from pcam.attribution.titles import method_title

WIDTH = 118  # characters of a line


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
    trained = [row for row in rows if row.network == TRAINED]
    lines = []
    for measure, definition in MEASURES.items():
        sides: dict[int, list[str]] = {BETTER: [], NOT_DIFFERENT: [], WORSE: []}
        for row in trained:
            difference = row.less_gaussian
            if row.measure == measure and difference is not None and difference.is_known:
                sides[difference.side(definition.better)].append(method_title(row.method))
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
        difference = row.less_chance or UNKNOWN_DIFFERENCE
        row_side = difference.side(MEASURES[row.measure].better)
        if row.network == network and row_side == side:
            titles.append(method_title(row.method))
    return titles


def _is_compared(row: Row) -> bool:
    """Whether a row of a network has an interval of its difference from chance."""
    difference = row.less_chance or UNKNOWN_DIFFERENCE
    return row.network != NO_NETWORK and difference.is_known


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
