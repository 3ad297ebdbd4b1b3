"""Marks that several test files use."""

from collections.abc import Collection, Iterable

import pytest
from _pytest.mark import ParameterSet


def slow_but(quick: Collection[str], values: Iterable[str]) -> list[ParameterSet]:
    """Return parameters of which all are slow but a few, which stand for the others in a quick run.

    Args:
        quick: the few.
        values: all, in order.
    """
    found = list(values)
    missing = set(quick) - set(found)
    assert not missing, f"no such parameters: {sorted(missing)}"
    marks = {value: () if value in quick else pytest.mark.slow for value in found}
    return [pytest.param(value, marks=marks[value]) for value in found]
