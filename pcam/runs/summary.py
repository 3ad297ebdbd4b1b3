"""The parts of summary.json that other commands rely on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pcam.config.base import LARGEST_INT
from pcam.errors import shorten_value
from pcam.runs.metrics_file import SHARES

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, le=LARGEST_INT)]
Size = Annotated[int, Field(ge=1, le=LARGEST_INT)]
NonNegative = Annotated[float, Field(ge=0)]

if TYPE_CHECKING:
    from pcam.config.schema import TrainConfig


class Part(BaseModel):
    """A part of a summary; it may have further keys."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


class Interval(Part):
    """A figure with its 95 % interval; null if it is not defined."""

    value: NonNegative | None
    low: NonNegative | None = None
    high: NonNegative | None = None


class ShareInterval(Part):
    """A figure from 0 to 1 with its 95 % interval; null if it is not defined."""

    value: Share | None
    low: Share | None = None
    high: Share | None = None


class SplitMetrics(Part):
    """The figures of a split; further ones are intervals too."""

    __pydantic_extra__: dict[str, Interval]

    auroc: ShareInterval
    accuracy: ShareInterval
    nll: Interval
    precision: ShareInterval
    sensitivity: ShareInterval

    @model_validator(mode="after")
    def _check_further_shares(self) -> SplitMetrics:
        for name, interval in (self.model_extra or {}).items():
            if name in SHARES:
                ShareInterval.model_validate(interval.model_dump())
        return self


class Weights(Part):
    """What the network was initialised with."""

    origin: str
    asked: str = ""
    detail: str = ""


class SplitData(Part):
    """The patches of a split."""

    patches: Count
    positive: Count
    sha256: str

    @model_validator(mode="after")
    def _check_positive(self) -> SplitData:
        if self.positive > self.patches:
            raise ValueError("more positive patches than patches")
        return self


class Pruned(Part):
    """Why a job of a sweep ended early."""

    epoch: Count
    auroc: Share
    median: Share
    jobs: Size
    loss: float = 0.0
    median_loss: float = 0.0


class IntervalMethod(Part):
    """How the intervals were computed."""

    level: Share = 0.95
    over: str = ""
    method: str = ""
    resamples: Count = 0


class SplitRule(Part):
    """How the patches were split."""

    how: str = ""
    left_out: dict[str, Count] = Field(default_factory=dict)


class SplitChange(Part):
    """From which epoch on the batches were split into how many parts."""

    epoch: Count
    parts: Size


class BatchUse(Part):
    """The batches per process, as asked and as used."""

    size: Size
    accumulated: Size
    asked_size: Size
    asked_accumulated: Size
    changes: list[SplitChange] = Field(default_factory=list)

    @model_validator(mode="after")
    def _check_patches_of_a_step(self) -> BatchUse:
        used, asked = self.size * self.accumulated, self.asked_size * self.asked_accumulated
        if used != asked:
            raise ValueError(f"a step has {used} patches, and {asked} were asked for")
        return self


class StepForm(Part):
    """How the steps were computed."""

    compile: str = ""
    trial_ms: dict[str, Any] = Field(default_factory=dict)
    seconds: NonNegative | None = None


class FoundRates(Part):
    """Learning rates that a search before the training has found."""

    lr: NonNegative
    head_lr: NonNegative


class SymmetryScores(Part):
    """Scores of probabilities that were averaged over symmetries of each patch."""

    symmetries: str
    split: str
    metrics: SplitMetrics


class Summary(Part):
    """The content of summary.json.

    Keys with a default are of later versions, or not of every run.
    """

    valid: SplitMetrics
    test: SplitMetrics = cast(SplitMetrics, None)  # may be missing, but not null
    weights: Weights
    epochs: Count
    best_epoch: Count | None = None
    versions: dict[str, str]
    data: dict[str, SplitData]
    device: str
    precision: str
    commit: str | None
    pruned: Pruned | None = None
    seed: Count = 0
    scale: str = ""
    parameters: dict[str, Count] = Field(default_factory=dict)
    intervals: IntervalMethod | None = None
    splits: SplitRule | None = None
    classes: Annotated[list[str], Field(min_length=2, max_length=2)] = ["0", "1"]
    patch_size: Annotated[list[Size], Field(min_length=2, max_length=2)] = [1, 1]
    processes: Size = 1
    batched: bool = False
    batchnorm: str = ""
    input_size: Size | None = None
    max_epochs: Size | None = None
    batch: BatchUse | None = None
    step: StepForm | None = None
    tta: SymmetryScores | None = None
    find_lr: FoundRates | None = None


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
        key = shorten_value(".".join(map(str, detail["loc"])))
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
