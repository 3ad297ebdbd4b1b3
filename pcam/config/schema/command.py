"""What the configs of several commands have in common."""

from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import ConfigDict, Field, SerializeAsAny, model_validator

from pcam.config.base import PathText, PlainText, PositiveInt, Section, Seed
from pcam.config.checks import Check
from pcam.config.choices import chosen_from, fault
from pcam.config.registry import backbones, sources
from pcam.config.sections import AnySplits, DataConfig, Duplicates, ModelConfig, Workers
from pcam.errors import suggest

MOST_RESAMPLES = 1_000_000
Resamples = Annotated[int, Field(ge=100, le=MOST_RESAMPLES)]  # fewer give no interval
MOST_SHOWN = 100  # patches of a group
GallerySize = Annotated[int, Field(ge=0, le=MOST_SHOWN)]  # patches of a group; 0 for no gallery
Split = Literal["train", "valid", "test"]
Folders = PlainText | list[PlainText]
AnyModel = Annotated[SerializeAsAny[ModelConfig], chosen_from(backbones)]
Threshold = Annotated[float, Field(ge=0, le=1)] | Literal["youden", "sensitivity"]
Sensitivity = Annotated[float, Field(gt=0, le=1)]
Calibration = Literal["none", "temperature"]


class CommandConfig(Section):
    """What every command's config has.

    Attributes:
        plugins: a user's modules, imported before anything else is read.
    """

    cross_checks: ClassVar[tuple[Check, ...]] = ()
    slow_checks: ClassVar[tuple[Check, ...]] = ()  # these import large libraries

    plugins: list[str] = Field(default_factory=list)


class DataOverrides(Section):
    """The data of a command that opens a run: null keys are as the run has them.

    With a ``name`` it is a source of its own, which has further keys.
    """

    model_config = ConfigDict(extra="allow")

    name: str | None = None
    root: PathText | None = None
    batch_size: PositiveInt | None = None
    num_workers: Workers | None = None
    limit: PositiveInt | None = None
    duplicates: Duplicates | None = None
    positive: PlainText | int | float | bool | None = None

    def given(self) -> dict[str, Any]:
        """Return the keys that are not null."""
        values = self.model_dump()
        return {key: value for key, value in values.items() if value is not None}

    def source_config(self) -> DataConfig:
        """Return the config of the named source; common keys that are null have their defaults."""
        common = {"root", *DataConfig.model_fields}
        values = self.model_dump()
        settings = {
            key: value for key, value in values.items() if value is not None or key not in common
        }
        entry = sources.get(self.name)
        model = cast(type[DataConfig], entry.config or DataConfig)
        return model.model_validate(settings)

    @model_validator(mode="after")
    def _check_source(self) -> "DataOverrides":
        if self.name is not None:
            self.source_config()
        elif self.model_extra:
            raise fault(_describe_unknown(next(iter(self.model_extra))))
        return self


def _describe_unknown(key: str) -> str:
    """Return the line about a key that only a source could have."""
    similar = suggest(key, DataOverrides.model_fields, "data")
    if "did you mean" not in similar:
        similar = "; keys of a source need its name: data=NAME"
    return f"unknown key data.{key}{similar}"


class ReadingData(Section):
    """How patches are read and scored; null keys are as the run has them."""

    batch_size: PositiveInt | None
    num_workers: Workers | None


class RunCommandConfig(CommandConfig):
    """What the commands that open a run have in common."""

    run: PathText
    split: Split = "test"
    data: DataOverrides
    splits: AnySplits
    seed: Seed
