"""The measures of maps: their names, ranges and directions, and a measured row."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
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
        less_chance: mean difference from chance, with its interval.
        less_gaussian: mean difference from the Gaussian baseline, with its interval.
        less_random: mean difference from the same method on random weights, with its interval.
    """

    measure: str
    method: str
    network: NetworkKind
    value: float
    low: float
    high: float
    patches: int
    chance: float | None = None
    less_chance: float | None = None
    less_chance_low: float | None = None
    less_chance_high: float | None = None
    less_gaussian: float | None = None
    less_gaussian_low: float | None = None
    less_gaussian_high: float | None = None
    less_random: float | None = None
    less_random_low: float | None = None
    less_random_high: float | None = None


COLUMNS = tuple(field.name for field in fields(Row))
