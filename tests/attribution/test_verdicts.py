"""The verdict on each method, and the comparison behind it."""

import math

import pytest

from pcam.attribution.measures import DIFFERENCE, NO_NETWORK, RANDOM, TRAINED, Row
from pcam.attribution.verdicts import format_verdicts, judge
from tests.attribution.rows import row

BETTER, EQUAL, WORSE = (0.2, 0.1, 0.3), (0.0, -0.1, 0.1), (-0.2, -0.3, -0.1)
UNKNOWN = (0.2, math.nan, math.nan)
Interval = tuple[float, float, float]


def row_with(chance: Interval, random: Interval, gaussian: Interval) -> Row:
    return row(
        DIFFERENCE,
        "saliency",
        TRAINED,
        chance=0.01,
        less_chance=chance[0],
        less_chance_low=chance[1],
        less_chance_high=chance[2],
        less_random=random[0],
        less_random_low=random[1],
        less_random_high=random[2],
        less_gaussian=gaussian[0],
        less_gaussian_low=gaussian[1],
        less_gaussian_high=gaussian[2],
    )


@pytest.mark.parametrize(
    ("chance", "random", "gaussian", "verdict", "reference"),
    [
        (BETTER, BETTER, BETTER, "faithful", "chance"),
        ((0.5, 0.4, 0.6), (0.4, 0.3, 0.5), BETTER, "faithful", "a centre prior"),
        (BETTER, BETTER, EQUAL, "no better than a centre prior", "a centre prior"),
        (BETTER, BETTER, WORSE, "no better than a centre prior", "a centre prior"),
        (BETTER, EQUAL, BETTER, "no better than random weights", "random weights"),
        (BETTER, WORSE, WORSE, "no better than random weights", "random weights"),
        (EQUAL, BETTER, BETTER, "no better than chance", "chance"),
        (WORSE, BETTER, BETTER, "worse than chance", "chance"),
        (
            (0.2, math.nan, math.nan),
            BETTER,
            BETTER,
            "not known: too few patches or slides",
            "chance",
        ),
    ],
)
def test_a_method_is_judged_by_the_first_comparison_in_which_it_is_not_better(
    chance: Interval, random: Interval, gaussian: Interval, verdict: str, reference: str
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
