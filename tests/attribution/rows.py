"""Measures of maps with intervals that a test chooses."""

from pcam.attribution.measures import Difference, Row


def row(measure: str, method: str, network: str, **values: float | Difference | None) -> Row:
    return Row(measure, method, network, value=0.5, low=0.4, high=0.6, patches=8, **values)


def difference(low: float, high: float) -> Difference:
    return Difference((low + high) / 2, low, high)


def vs_chance(measure: str, method: str, network: str, low: float, high: float) -> Row:
    return row(measure, method, network, chance=0.3, less_chance=difference(low, high))


def vs_gaussian(measure: str, method: str, network: str, low: float, high: float) -> Row:
    return row(measure, method, network, less_gaussian=difference(low, high))
