"""Measures of maps with intervals that a test chooses."""

from pcam.attribution.measures import Row


def row(measure: str, method: str, network: str, **values: float | None) -> Row:
    return Row(measure, method, network, value=0.5, low=0.4, high=0.6, patches=8, **values)


def vs_chance(measure: str, method: str, network: str, low: float, high: float) -> Row:
    return row(measure, method, network, chance=0.3, less_chance_low=low, less_chance_high=high)


def vs_gaussian(measure: str, method: str, network: str, low: float, high: float) -> Row:
    return row(measure, method, network, less_gaussian_low=low, less_gaussian_high=high)
