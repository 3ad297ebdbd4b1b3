"""What sweep.json and failure.json may hold."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MOST_JOBS = 100_000
Command = Literal[
    "train", "evaluate", "predict", "ensemble", "compare", "attribute", "bias", "prepare", "report"
]


class _Record(BaseModel):
    """A file; it may have further keys."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


class SweepFile(_Record):
    """The content of sweep.json; keys with a default may be missing."""

    command: Command = "train"
    words: list[str]
    started: str = ""
    jobs: Annotated[list[list[str]], Field(max_length=MOST_JOBS)] | None = None
    trials: Annotated[int, Field(ge=0, le=MOST_JOBS)] | None = None
    varied: list[str] = Field(default_factory=list)
    commit: str | None = None


class FailureFile(_Record):
    """The content of failure.json."""

    error: str
    expected: bool = False
    words: list[str] = Field(default_factory=list)
    time: str = ""
    traceback: str = ""


def describe_faulty_sweep(content: Mapping[str, object]) -> str:
    """Return what is wrong with the content of a sweep.json; nothing if it is right."""
    return _describe(SweepFile, content)


def describe_faulty_failure(content: Mapping[str, object]) -> str:
    """Return what is wrong with the content of a failure.json; nothing if it is right."""
    return _describe(FailureFile, content)


def _describe(model: type[BaseModel], content: Mapping[str, object]) -> str:
    try:
        model.model_validate(content)
    except ValidationError as error:
        keys = [".".join(map(str, detail["loc"])) for detail in error.errors(include_url=False)]
        return f"missing or wrong: {', '.join(dict.fromkeys(keys))}"
    return ""
