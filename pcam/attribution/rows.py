"""A row of the table of measures: means over patches with their intervals."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pcam.attribution.localisation import Floats
from pcam.attribution.measures import MEASURES, Difference, NetworkKind, Row
from pcam.stats.intervals import bootstrap_mean


@dataclass(frozen=True)
class References:
    """What a measure is compared with, one value per patch, (N,); None if it is not compared.

    Attributes:
        chance: what a map without knowledge gives.
        gaussian: the Gaussian baseline.
        random: the same method on random weights.
    """

    chance: Floats | None = None
    gaussian: Floats | None = None
    random: Floats | None = None


def build_row(
    measure: str,
    method: str,
    network: NetworkKind,
    values: Floats,
    references: References,
    groups: Sequence[str] | None,
    resamples: int,
) -> Row:
    """Return the mean of what was measured, and its differences from what it is compared with.

    Args:
        measure: one of ``MEASURES``.
        method: that made the maps.
        network: whose maps they are.
        values: (N,), one per patch; NaN of patches without a value.
        references: what it is compared with.
        groups: N slide names, or None.
        resamples: of the bootstrap.
    """
    limits = MEASURES[measure]
    found = bootstrap_mean(values, groups, bounded=limits.is_share, resamples=resamples)
    chance = _mean_chance(values, references.chance)
    row = Row(
        measure,
        method,
        network,
        value=found["value"],
        low=clip(found["low"], limits.least, limits.most),
        high=clip(found["high"], limits.least, limits.most),
        patches=int(found["patches"]),
        chance=chance,
    )
    less_chance: Difference | None = None
    if chance is not None and measure.endswith("_pointing"):
        # Hits and misses: resampling says nothing if all of them are hits, or all misses.
        less_chance = Difference(row.value - chance, row.low - chance, row.high - chance)
    elif chance is not None:
        difference = _compare(values, references.chance, groups, resamples)
        less_chance = _within_limits(measure, chance, difference)
    return replace(
        row,
        less_chance=less_chance,
        less_gaussian=_compare(values, references.gaussian, groups, resamples),
        less_random=_compare(values, references.random, groups, resamples),
    )


def _mean_chance(values: Floats, chance: Floats | None) -> float | None:
    """Return the mean chance of the patches with a value; None without chance."""
    if chance is None:
        return None
    known = ~np.isnan(values)
    return float(chance[known].mean()) if known.any() else float("nan")


def _compare(
    values: Floats, reference: Floats | None, groups: Sequence[str] | None, resamples: int
) -> Difference | None:
    """Return the mean difference from a reference; None without one."""
    if reference is None:
        return None
    found = bootstrap_mean(values - reference, groups, resamples=resamples)
    return Difference(found["value"], found["low"], found["high"])


def _within_limits(measure: str, chance: float, difference: Difference | None) -> Difference | None:
    """Return a difference from chance whose interval holds possible values only.

    Args:
        measure: one of ``MEASURES``.
        chance: the mean chance.
        difference: by the bootstrap; None if there is none.
    """
    if difference is None:
        return None
    limits = MEASURES[measure]
    low = clip(difference.low, limits.least - chance, limits.most - chance)
    high = clip(difference.high, limits.least - chance, limits.most - chance)
    return Difference(difference.value, low, high)


def clip(value: float, least: float, most: float) -> float:
    """Return a value within limits; NaN stays NaN."""
    return float(np.clip(value, least, most))
