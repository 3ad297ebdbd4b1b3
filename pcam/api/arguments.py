"""Arguments of a run's methods in Python: their types and ranges."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from pcam.errors import ConfigError, suggest
from pcam.evaluation.inference import TTA

if TYPE_CHECKING:
    from pcam.attribution.options import Options

INTEGERS = (int, np.integer)
NUMBERS = (*INTEGERS, float, np.floating)


def validate_tta(value: object) -> None:
    """Make sure that a test-time augmentation is one of the names.

    Raises:
        ConfigError: it is not.
    """
    if not isinstance(value, str) or value not in TTA:
        raise ConfigError(f"tta={value} is not available{suggest(str(value), TTA)}")


def validate_text(name: str, value: object) -> None:
    """Make sure that an argument is text.

    Raises:
        ConfigError: it is not.
    """
    if not isinstance(value, str):
        raise ConfigError(f"{name}={value!r} must be text")


def validate_integer(name: str, value: object, least: int) -> None:
    """Make sure that an argument is an integer of at least ``least``.

    Raises:
        ConfigError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, INTEGERS):
        raise ConfigError(f"{name}={value!r} must be an integer")
    if value < least:
        raise ConfigError(f"{name}={value} must be at least {least}")


def plain_numbers(values: Mapping[str, object]) -> dict[str, object]:
    """Return arguments with Python's numbers in place of NumPy's."""
    plain: dict[str, object] = {}
    for name, value in values.items():
        plain[name] = value.item() if isinstance(value, np.generic) else value
    return plain


def make_options(values: Mapping[str, object]) -> "Options":
    """Return the settings of the attribution methods.

    Raises:
        ConfigError: a name is unknown, or a value has the wrong type or range.
    """
    from pcam.attribution.options import Options

    types = {name: type(default) for name, default in asdict(Options()).items()}
    given: dict[str, object] = {}
    for name, value in values.items():
        if name not in types:
            raise ConfigError(f"explain has no option {name}{suggest(name, types)}")
        if not _is_of_type(value, types[name]):
            raise ConfigError(f"{name}={value!r} is not of type {types[name].__name__}")
        given[name] = types[name](value)
    return Options(**given)  # type: ignore[arg-type]


def _is_of_type(value: object, expected: type) -> bool:
    """Return whether a value is of a setting's type; NumPy's numbers and integers as floats are."""
    if isinstance(value, bool):
        return False
    accepted = {int: INTEGERS, float: NUMBERS}.get(expected, (expected,))
    return isinstance(value, accepted)
