"""The base of every section of a config, and the types of values that sections share."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A part of a config: strict types, no unknown keys, no infinities, immutable."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        protected_namespaces=(),
    )


def absolute_path(path: str) -> str:
    """Return a path that does not depend on the current folder."""
    return str(Path(path).expanduser().absolute())


PathText = Annotated[str, AfterValidator(absolute_path)]
LARGEST_INT = 2**32 - 1  # beyond it, libraries overflow
MOST_PROCESSES = 1024  # of a machine
PositiveInt = Annotated[int, Field(ge=1, le=LARGEST_INT)]
NonNegativeInt = Annotated[int, Field(ge=0, le=LARGEST_INT)]
ProcessCount = Annotated[int, Field(ge=0, le=MOST_PROCESSES)]
PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
OpenShare = Annotated[float, Field(gt=0, lt=1)]
ClosedShare = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
