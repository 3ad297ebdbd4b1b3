"""The measures of maps: their names, ranges and directions, and a measured row."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

NetworkKind = Literal["trained", "random weights", "none"]
TRAINED: NetworkKind = "trained"
RANDOM: NetworkKind = "random weights"
NO_NETWORK: NetworkKind = "none"


@dataclass(frozen=True)
class Measure:
    """What is measured of a map.

    Attributes:
        title: for tables and figures.
        least: the smallest possible value.
        most: the largest.
        better: 1 if more than chance is better, -1 if less is, 0 if neither is.
        vs_gaussian: it is also compared with the Gaussian baseline.
        correlation: it is a correlation, of which 0 is no agreement.
    """

    title: str
    least: float
    most: float
    better: int = 0
    vs_gaussian: bool = False
    correlation: bool = False

    @property
    def is_share(self) -> bool:
        """Whether it is from 0 to 1."""
        return (self.least, self.most) == (0, 1)


DIFFERENCE = "insertion_minus_deletion"  # the measure that verdicts are about

MEASURES: Mapping[str, Measure] = {
    "centre_share": Measure("share in the centre", 0, 1, better=1),
    "centre_pointing": Measure("largest value in the centre", 0, 1, better=1),
    "tumour_share": Measure("share on tumour", 0, 1, better=1),
    "tumour_pointing": Measure("largest value on tumour", 0, 1, better=1),
    "deciding_share": Measure("share on tumour in the centre", 0, 1, better=1),
    "deciding_pointing": Measure("largest value on tumour in the centre", 0, 1, better=1),
    "deletion": Measure("deletion, area", 0, 1, better=-1, vs_gaussian=True),
    "insertion": Measure("insertion, area", 0, 1, better=1, vs_gaussian=True),
    DIFFERENCE: Measure("insertion - deletion", -1, 1, better=1, vs_gaussian=True),
    "infidelity": Measure("infidelity", 0, np.inf, better=-1, vs_gaussian=True),
    "completeness_gap": Measure("completeness gap", 0, np.inf),
    "symmetry": Measure("agreement under symmetries", -1, 1, correlation=True),
    "random_head": Measure("similarity, head randomised", -1, 1, correlation=True),
    "random_half": Measure("similarity, upper half randomised", -1, 1, correlation=True),
    "random_all": Measure("similarity, all randomised", -1, 1, correlation=True),
    "sensitivity": Measure("sensitivity to noise", 0, np.inf),
}
CASCADE = ("random_head", "random_half", "random_all")


# How a method compares with a reference, by the interval of the difference.
BETTER, NOT_DIFFERENT, WORSE = 1, 0, -1


@dataclass(frozen=True)
class Difference:
    """The mean difference of a measure from a reference, with its 95 % interval.

    Attributes:
        value: mean over the patches; NaN if it is not known.
        low: lower limit; NaN if it is not known.
        high: upper limit.
    """

    value: float
    low: float
    high: float

    @property
    def is_known(self) -> bool:
        """Whether there is an interval."""
        return not math.isnan(self.low)

    def side(self, better: int) -> int:
        """Return on which side of zero the interval lies: BETTER, NOT_DIFFERENT or WORSE.

        Args:
            better: the sign of what is better.
        """
        if self.low > 0:
            return better
        if self.high < 0:
            return -better
        return NOT_DIFFERENT


UNKNOWN_DIFFERENCE = Difference(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Row:
    """One measure of one method on one network: the mean over patches, with its 95 % interval.

    Attributes:
        measure: one of ``MEASURES``.
        method: name of the method, ``centre_gaussian`` or ``edges``.
        network: trained, random weights or none.
        value: mean over the patches; NaN without any.
        low: lower limit; NaN if it is not known.
        high: upper limit.
        patches: number of patches with a value.
        chance: what a map without knowledge gives; None if that is not defined.
        less_chance: difference from chance; None if it is not compared.
        less_gaussian: difference from the Gaussian baseline.
        less_random: difference from the same method on random weights.
    """

    measure: str
    method: str
    network: NetworkKind
    value: float
    low: float
    high: float
    patches: int
    chance: float | None = None
    less_chance: Difference | None = None
    less_gaussian: Difference | None = None
    less_random: Difference | None = None

    def as_record(self) -> dict[str, str | float | None]:
        """Return the row as written: a difference is three columns, None if not compared."""
        record: dict[str, str | float | None] = {
            "measure": self.measure,
            "method": self.method,
            "network": self.network,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "patches": self.patches,
            "chance": self.chance,
        }
        differences = {
            "less_chance": self.less_chance,
            "less_gaussian": self.less_gaussian,
            "less_random": self.less_random,
        }
        for name, difference in differences.items():
            record[name] = None if difference is None else difference.value
            record[f"{name}_low"] = None if difference is None else difference.low
            record[f"{name}_high"] = None if difference is None else difference.high
        return record
