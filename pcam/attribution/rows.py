"""A row of the table of measures: means over patches with their intervals."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pcam.attribution.localisation import Floats
from pcam.attribution.measures import MEASURES, NetworkKind, Row
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
    row = Row(
        measure,
        method,
        network,
        value=found["value"],
        low=clip(found["low"], limits.least, limits.most),
        high=clip(found["high"], limits.least, limits.most),
        patches=int(found["patches"]),
    )
    if references.chance is not None:
        row = _with_chance(row, values, references.chance, groups, resamples)
    if references.gaussian is not None:
        row = _with_gaussian(row, values, references.gaussian, groups, resamples)
    if references.random is not None:
        row = _with_random(row, values, references.random, groups, resamples)
    return row


def _with_chance(
    row: Row, values: Floats, chance: Floats, groups: Sequence[str] | None, resamples: int
) -> Row:
    """Return a row with its difference from chance."""
    known = ~np.isnan(values)
    mean = float(chance[known].mean()) if known.any() else float("nan")
    if row.measure.endswith("_pointing"):
        # Hits and misses: resampling says nothing if all of them are hits, or all misses.
        return replace(
            row,
            chance=mean,
            less_chance=row.value - mean,
            less_chance_low=row.low - mean,
            less_chance_high=row.high - mean,
        )
    limits = MEASURES[row.measure]
    found = bootstrap_mean(values - chance, groups, resamples=resamples)
    return replace(
        row,
        chance=mean,
        less_chance=found["value"],
        less_chance_low=clip(found["low"], limits.least - mean, limits.most - mean),
        less_chance_high=clip(found["high"], limits.least - mean, limits.most - mean),
    )


def _with_gaussian(
    row: Row, values: Floats, gaussian: Floats, groups: Sequence[str] | None, resamples: int
) -> Row:
    """Return a row with its difference from the Gaussian baseline."""
    found = bootstrap_mean(values - gaussian, groups, resamples=resamples)
    return replace(
        row,
        less_gaussian=found["value"],
        less_gaussian_low=found["low"],
        less_gaussian_high=found["high"],
    )


def _with_random(
    row: Row, values: Floats, random: Floats, groups: Sequence[str] | None, resamples: int
) -> Row:
    """Return a row with its difference from the same method on random weights."""
    found = bootstrap_mean(values - random, groups, resamples=resamples)
    return replace(
        row,
        less_random=found["value"],
        less_random_low=found["low"],
        less_random_high=found["high"],
    )


def clip(value: float, least: float, most: float) -> float:
    """Return a value within limits; NaN stays NaN."""
    return float(np.clip(value, least, most))
