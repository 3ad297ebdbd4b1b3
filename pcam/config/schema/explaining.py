"""The configs of attribution and of position bias."""

from collections import Counter
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pcam.config.base import (
    LARGEST_INT,
    NonNegativeInt,
    PathText,
    PlainText,
    PositiveFloat,
    PositiveInt,
    Section,
    Seed,
)
from pcam.config.choices import fault, names_from
from pcam.config.registry import methods
from pcam.config.schema.command import (
    CommandConfig,
    DataOverrides,
    Folders,
    Resamples,
    RunCommandConfig,
    Split,
)
from pcam.config.sections import AnySplits


class PatchChoice(Section):
    """Which patches are explained."""

    pick: Literal["outcomes", "certain", "uncertain", "random"]
    n: PositiveInt
    ids: Annotated[list[str | int], Field(min_length=1)] | None

    @model_validator(mode="after")
    def _check_ids(self) -> "PatchChoice":
        counts = Counter(map(str, self.ids or []))
        repeated = [name for name, count in counts.items() if count > 1]
        if repeated:
            raise fault(f"patches.ids names {', '.join(repeated)} more than once")
        return self


class FaithfulnessConfig(Section):
    """How maps are measured. ``conf/faithfulness`` explains each key."""

    patches: NonNegativeInt
    repeated: NonNegativeInt
    cell: PositiveInt
    resamples: PositiveInt
    tables: Literal["verdicts", "all"]


class AttributeConfig(RunCommandConfig):
    """The config of ``pcam.attribute``."""

    methods: Annotated[list[str], Field(min_length=1), names_from(methods)]
    layer: PlainText
    feature_maps: PlainText | None
    patches: PatchChoice
    baseline: Literal["white", "black", "mean", "patch"]
    steps: PositiveInt
    max_steps: PositiveInt
    samples: PositiveInt
    noise: PositiveFloat
    window: PositiveInt
    stride: PositiveInt
    faithfulness: FaithfulnessConfig
    precision: Literal["32-true", "bf16-mixed"]

    @model_validator(mode="after")
    def _check_settings_together(self) -> "AttributeConfig":
        if self.steps > self.max_steps:
            raise fault(f"steps={self.steps} must be at most max_steps={self.max_steps}")
        if self.stride > self.window:
            raise fault(
                f"stride={self.stride} must be at most window={self.window}: "
                "pixels between windows would not be covered"
            )
        return self


class MapConfig(Section):
    """The map of offsets."""

    patches: NonNegativeInt
    step: PositiveInt | None


class BiasConfig(CommandConfig):
    """The config of ``pcam.bias``."""

    run: PathText | None
    runs: Folders | None
    split: Split
    data: DataOverrides
    splits: AnySplits
    patches: Annotated[int, Field(ge=2, le=LARGEST_INT)]
    centre: PositiveInt
    reach: PositiveInt
    map: MapConfig
    tables: Literal["findings", "all"]
    resamples: Resamples
    seed: Seed

    @model_validator(mode="after")
    def _check_runs(self) -> "BiasConfig":
        if (self.run is None) == (self.runs is None):
            raise fault("give either run=FOLDER or runs=[FOLDER, GLOB, ...], not both")
        return self
