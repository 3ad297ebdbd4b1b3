"""The parts of summary.json that other commands rely on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

if TYPE_CHECKING:
    from pcam.config.schema import TrainConfig


class Part(BaseModel):
    """A part of a summary; it may have further keys."""

    model_config = ConfigDict(extra="allow", strict=True)


class Interval(Part):
    """A figure with its 95 % interval; null if it is not defined."""

    value: float | None
    low: float | None = None
    high: float | None = None


class SplitMetrics(Part):
    """The figures of a split; further ones are intervals too."""

    __pydantic_extra__: dict[str, Interval]

    auroc: Interval
    accuracy: Interval
    nll: Interval
    precision: Interval
    sensitivity: Interval


class Weights(Part):
    """What the network was initialised with."""

    origin: str


class SplitData(Part):
    """The patches of a split."""

    patches: int
    positive: int
    sha256: str


class Pruned(Part):
    """Why a job of a sweep ended early."""

    epoch: int
    auroc: float | None
    median: float | None
    jobs: int


class Summary(Part):
    """The content of summary.json."""

    valid: SplitMetrics
    test: SplitMetrics | None = None
    weights: Weights
    epochs: int
    versions: dict[str, object]
    data: dict[str, SplitData]
    device: str
    precision: str
    commit: str | None
    pruned: Pruned | None = None


SUMMARY_METRICS = tuple(SplitMetrics.model_fields)


def is_current(summary: Mapping[str, object], config: TrainConfig) -> bool:
    """Return whether a summary is of the whole training that a run's config describes.

    A run that is resumed for more epochs keeps its summary until it ends again. Summaries of up to
    version 0.2.0 do not say for how many epochs they are.
    """
    epochs = config.trainer.max_epochs
    return summary.get("max_epochs", epochs) == epochs


def validate_summary(summary: Mapping[str, object]) -> str:
    """Return what is wrong with a run's summary, in one line; an empty text if nothing is."""
    try:
        Summary.model_validate(summary)
    except ValidationError as error:
        return _describe(error)
    return ""


def _describe(error: ValidationError) -> str:
    """Return the keys with a wrong value and the missing keys."""
    missing: list[str] = []
    wrong: list[str] = []
    for detail in error.errors(include_url=False):
        key = ".".join(map(str, detail["loc"]))
        if detail["type"] == "missing":
            missing.append(key)
        else:
            wrong.append(key)
    parts: list[str] = []
    if wrong:
        parts.append(f"has a wrong value of {', '.join(wrong)}")
    if missing:
        parts.append(f"lacks {', '.join(missing)}")
    return f"summary.json {' and '.join(parts)}"
