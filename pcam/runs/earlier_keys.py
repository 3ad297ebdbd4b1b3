"""Files of earlier versions: their keys under today's names."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TypeVar

Value = TypeVar("Value")


@cache
def _renamed_keys() -> dict[str, dict[str, str]]:
    import yaml

    table: dict[str, dict[str, str]] = yaml.safe_load(
        Path(__file__).with_suffix(".yaml").read_text("utf-8")
    )
    return table


def with_current_keys(kind: str, content: Mapping[str, Value]) -> dict[str, Value]:
    """Return the content of a file with today's names of its keys.

    Args:
        kind: sweep or checkpoint.
        content: as read.
    """
    renamed = _renamed_keys()[kind]
    return {renamed.get(key, key): value for key, value in content.items()}
