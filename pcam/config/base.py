"""The base of every section of a config, and the types of values that sections share."""

import math
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError


class Section(BaseModel):
    """A part of a config: strict types, no unknown keys, no infinities, immutable."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        protected_namespaces=(),
    )


def plain_text(text: str) -> str:
    """Return a text after making sure that it is one line, printable and not long.

    Raises:
        PydanticCustomError: it is not.
    """
    if not text or len(text) > LONGEST_TEXT or not text.isprintable():
        message = "must be a line of 1 to {most} printable characters"
        raise PydanticCustomError("value_fault", message, {"most": LONGEST_TEXT})
    return text


def absolute_path(path: str) -> str:
    """Return a path that does not depend on the current folder."""
    return str(Path(path).expanduser().absolute())


LONGEST_TEXT = 4096  # characters; the system's limit of a path
PlainText = Annotated[str, AfterValidator(plain_text)]
PathText = Annotated[PlainText, AfterValidator(absolute_path)]


def plain_values(values: dict[str, Any]) -> dict[str, Any]:
    """Return a table for a library after making sure that its numbers are finite, its texts plain.

    Raises:
        PydanticCustomError: they are not.
    """
    for name, value in values.items():
        inner = value.values() if isinstance(value, dict) else value
        for one in inner if isinstance(inner, list | type({}.values())) else [value]:
            _check_plain(name, one)
    return values


def _check_plain(name: str, value: object) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        message = "{name} must be a finite number"
        raise PydanticCustomError("value_fault", message, {"name": name})
    if isinstance(value, str) and (not value.isprintable() or len(value) > LONGEST_TEXT):
        message = "{name} must be printable text"
        raise PydanticCustomError("value_fault", message, {"name": name})


FreeTable = Annotated[dict[str, Any], AfterValidator(plain_values)]  # of keys that a library takes
LARGEST_INT = 2**32 - 1  # beyond it, libraries overflow
MOST_PROCESSES = 1024  # of a machine
PositiveInt = Annotated[int, Field(ge=1, le=LARGEST_INT)]
NonNegativeInt = Annotated[int, Field(ge=0, le=LARGEST_INT)]
ProcessCount = Annotated[int, Field(ge=0, le=MOST_PROCESSES)]
LARGEST_FLOAT = 1e6  # beyond every use
PositiveFloat = Annotated[float, Field(gt=0, le=LARGEST_FLOAT)]
SMALLEST_MPP, LARGEST_MPP = 0.05, 20.0  # micrometres per pixel that a slide may have
Resolution = Annotated[float, Field(ge=SMALLEST_MPP, le=LARGEST_MPP)]
NonNegativeFloat = Annotated[float, Field(ge=0, le=LARGEST_FLOAT)]
Rate = Annotated[float, Field(ge=0, le=1e38)]  # of float32; one that is too high is noticed later
OpenShare = Annotated[float, Field(gt=0, lt=1)]
ClosedShare = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
