"""The config of probes of frozen features."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pcam.config.base import PathText, PlainText, PositiveInt, Section, Seed
from pcam.config.checks import probed_names_are_known
from pcam.config.choices import each_once, fault
from pcam.config.schema.command import AnyModel, CommandConfig, DataOverrides, Folders, Resamples
from pcam.config.sections import AnySplits, FeatureType

Probe = Literal["linear", "knn", "mean", "few_shot", "slide"]
MOST_DRAWS = 1000  # of patches of a few-shot probe


class ProbeFeatures(Section):
    """Where the features of probed backbones are kept, as for ``pcam.train``."""

    cache: PathText
    dtype: FeatureType


class ProbeConfig(CommandConfig):
    """The config of ``pcam.probe``."""

    slow_checks = (probed_names_are_known,)

    runs: Folders
    model: AnyModel | None = None
    backbones: dict[PlainText, AnyModel]
    scale: PlainText
    data: DataOverrides
    splits: AnySplits
    probes: Annotated[list[Probe], Field(min_length=1), each_once]
    neighbours: PositiveInt
    shots: Annotated[list[PositiveInt], Field(min_length=1), each_once]
    draws: Annotated[int, Field(ge=1, le=MOST_DRAWS)]
    features: ProbeFeatures
    resamples: Resamples
    seed: Seed

    @model_validator(mode="after")
    def _check_what_is_probed(self) -> "ProbeConfig":
        if self.data.name is None and not self.runs:
            raise fault("give data=NAME, or runs=[FOLDER, ...], whose data is used")
        if not self.runs and self.model is None and not self.backbones:
            raise fault("give runs=[FOLDER, ...], model=NAME, or backbones={NAME: {...}, ...}")
        return self
