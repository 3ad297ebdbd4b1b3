"""How faithful a method's maps are, in words: a verdict per method, with the figure behind it.

A verdict is about ``insertion - deletion``: how much better the network recognises a patch of the
pixels that a map ranks high than of those that it ranks low. It is compared, patch by patch, with
cells in random order, with the same method on random weights, and with a Gaussian over the centre,
which knows where the label is decided and nothing of the network.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from pcam.attribution.measures import (
    BETTER,
    DIFFERENCE,
    MEASURES,
    NO_NETWORK,
    TRAINED,
    UNKNOWN_DIFFERENCE,
    WORSE,
    Difference,
    Row,
)
from pcam.attribution.titles import method_title
from pcam.stats.formatting import format_interval, format_table

FAITHFUL = "faithful"
WORSE_THAN_CHANCE = "worse than chance"
UNKNOWN = "not known: too few patches or slides"


@dataclass(frozen=True)
class Comparison:
    """A method's difference from what it is compared with.

    Attributes:
        reference: what that is, for tables.
        not_better: the verdict on a method that is not better.
        difference: from the reference.
    """

    reference: str
    not_better: str
    difference: Difference

    @property
    def side(self) -> int:
        """BETTER, NOT_DIFFERENT or WORSE."""
        return self.difference.side(MEASURES[DIFFERENCE].better)

    @property
    def shown(self) -> str:
        """The difference and its interval as text."""
        return format_interval(asdict(self.difference), form="+.3f")


def judge(row: Row) -> tuple[str, Comparison]:
    """Return the verdict on a method, and the comparison behind it.

    Args:
        row: of the method on the trained network, in the measure ``DIFFERENCE``.

    Returns:
        The first comparison in which it is not better; if it is better in all, the closest one.
    """
    comparisons = _compare(row)
    for comparison in comparisons:
        if not comparison.difference.is_known:
            return UNKNOWN, comparison
        if comparison.side == WORSE and comparison is comparisons[0]:
            return WORSE_THAN_CHANCE, comparison
        if comparison.side != BETTER:
            return comparison.not_better, comparison
    return FAITHFUL, min(comparisons, key=lambda comparison: comparison.difference.value)


def _compare(row: Row) -> list[Comparison]:
    """Return a method's differences from chance, random weights and the Gaussian."""
    differences = {
        "chance": row.less_chance,
        "random weights": row.less_random,
        "a centre prior": row.less_gaussian,
    }
    return [
        Comparison(reference, f"no better than {reference}", difference or UNKNOWN_DIFFERENCE)
        for reference, difference in differences.items()
    ]


def format_verdicts(rows: Sequence[Row]) -> str:
    """Return the table of verdicts: a line per method, and what they are compared with.

    Args:
        rows: of all measures, methods and networks.
    """
    lines = []
    chance = math.nan
    for row in rows:
        if row.measure == DIFFERENCE and row.network in (TRAINED, NO_NETWORK):
            lines.append(_format_row(row))
            chance = math.nan if row.chance is None else row.chance
    lines.append(["cells in random order (chance)", f"{chance:.3f}", "", "", ""])
    return format_table(["", MEASURES[DIFFERENCE].title, "verdict", "difference", "from"], lines)


def _format_row(row: Row) -> list[str]:
    """Return the cells of a method, or of a map that needs no network."""
    found = format_interval({"value": row.value, "low": row.low, "high": row.high}, form=".3f")
    title = method_title(row.method)
    if row.network == NO_NETWORK:
        return [title, found, "", "", ""]
    verdict, comparison = judge(row)
    return [title, found, verdict, comparison.shown, comparison.reference]
