"""The verdict on each method, and the comparison behind it."""

import math

import pytest

from pcam.attribution.measures import DIFFERENCE, NO_NETWORK, RANDOM, TRAINED, Difference, Row
from pcam.attribution.verdicts import format_verdicts, judge
from tests.attribution.rows import row

BETTER = Difference(0.2, 0.1, 0.3)
LARGE = Difference(0.4, 0.3, 0.5)
EQUAL = Difference(0.0, -0.1, 0.1)
WORSE = Difference(-0.2, -0.3, -0.1)
UNKNOWN = Difference(0.2, math.nan, math.nan)


def row_with(chance: Difference, random: Difference, gaussian: Difference) -> Row:
    return row(
        DIFFERENCE,
        "saliency",
        TRAINED,
        chance=0.01,
        less_chance=chance,
        less_random=random,
        less_gaussian=gaussian,
    )


@pytest.mark.parametrize(
    ("chance", "random", "gaussian", "verdict", "reference"),
    [
        (BETTER, BETTER, BETTER, "faithful", "chance"),
        (
            LARGE,
            LARGE,
            BETTER,
            "faithful",
            "a centre prior",
        ),
        (BETTER, BETTER, EQUAL, "no better than a centre prior", "a centre prior"),
        (BETTER, BETTER, WORSE, "no better than a centre prior", "a centre prior"),
        (BETTER, EQUAL, BETTER, "no better than random weights", "random weights"),
        (BETTER, WORSE, WORSE, "no better than random weights", "random weights"),
        (EQUAL, BETTER, BETTER, "no better than chance", "chance"),
        (WORSE, BETTER, BETTER, "worse than chance", "chance"),
        (UNKNOWN, BETTER, BETTER, "not known: too few patches or slides", "chance"),
    ],
)
def test_a_method_is_judged_by_the_first_comparison_in_which_it_is_not_better(
    chance: Difference, random: Difference, gaussian: Difference, verdict: str, reference: str
) -> None:
    found, comparison = judge(row_with(chance, random, gaussian))
    assert (found, comparison.reference) == (verdict, reference)


def test_the_table_has_a_line_per_method_and_what_it_is_compared_with() -> None:
    rows = [
        row_with(BETTER, BETTER, EQUAL),
        row(DIFFERENCE, "saliency", RANDOM, chance=0.01),
        row(DIFFERENCE, "centre_gaussian", NO_NETWORK, chance=0.01),
        row("deletion", "saliency", TRAINED, chance=0.4),
    ]
    lines = format_verdicts(rows).splitlines()
    assert len(lines) == 5
    assert "insertion - deletion" in lines[0]
    assert "no better than a centre prior | +0.000 [-0.100, +0.100] | a centre prior |" in lines[2]
    assert lines[3].startswith("| Gaussian baseline")
    assert "random order" in lines[4]
    assert "0.010" in lines[4]
