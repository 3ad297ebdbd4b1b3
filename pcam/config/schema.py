"""The config of each command: one class, validated once when the command starts."""

import re
from collections import Counter
from typing import Annotated, Any, ClassVar, Literal, cast, get_args

from pydantic import AfterValidator, ConfigDict, Field, SerializeAsAny, model_validator

from pcam.config.base import (
    LARGEST_INT,
    NonNegativeFloat,
    NonNegativeInt,
    PathText,
    PlainText,
    PositiveFloat,
    PositiveInt,
    Section,
    Seed,
)
from pcam.config.checks import (
    TRAINING_CHECKS,
    Check,
    model_name_is_known,
    optimizer_name_is_known,
    probed_names_are_known,
    stride_divides_centre,
)
from pcam.config.choices import chosen_from, each_once, fault, names_from
from pcam.config.registry import (
    augmentations,
    backbones,
    losses,
    methods,
    optimizers,
    schedulers,
    sources,
)
from pcam.config.sections import (
    MAPS_PER_SHEET,
    AnyFinetune,
    AnySplits,
    AttributionConfig,
    AugConfig,
    CropConfig,
    DataConfig,
    Duplicates,
    FeaturesConfig,
    FeatureType,
    LoggerConfig,
    LossConfig,
    ModelConfig,
    OptimizerConfig,
    SchedulerConfig,
    Symmetries,
    TrainerConfig,
    Workers,
)
from pcam.config.settings import CallbackTables
from pcam.errors import suggest

Split = Literal["train", "valid", "test"]
MOST_RESAMPLES = 1_000_000
Resamples = Annotated[int, Field(ge=100, le=MOST_RESAMPLES)]  # fewer give no interval
Folders = PlainText | list[PlainText]
AnyModel = Annotated[SerializeAsAny[ModelConfig], chosen_from(backbones)]
Probe = Literal["linear", "knn", "mean", "few_shot"]
MOST_DRAWS = 1000  # of patches of a few-shot probe
MOST_COMPARED = 10_000  # patches of an exported network


class CommandConfig(Section):
    """What every command's config has.

    Attributes:
        plugins: a user's modules, imported before anything else is read.
    """

    cross_checks: ClassVar[tuple[Check, ...]] = ()
    slow_checks: ClassVar[tuple[Check, ...]] = ()  # these import large libraries

    plugins: list[str] = Field(default_factory=list)


class TrainConfig(CommandConfig):
    """The config of ``pcam.train``; a run folder holds it as config.yaml."""

    cross_checks = TRAINING_CHECKS
    slow_checks = (model_name_is_known, optimizer_name_is_known)

    data: Annotated[SerializeAsAny[DataConfig], chosen_from(sources)]
    splits: AnySplits
    crop: CropConfig
    aug: Annotated[SerializeAsAny[AugConfig], chosen_from(augmentations)]
    loss: Annotated[SerializeAsAny[LossConfig], chosen_from(losses)]
    optimizer: Annotated[SerializeAsAny[OptimizerConfig], chosen_from(optimizers)]
    scheduler: Annotated[SerializeAsAny[SchedulerConfig], chosen_from(schedulers)]
    finetune: AnyFinetune
    features: FeaturesConfig = FeaturesConfig()
    trainer: TrainerConfig
    logger: LoggerConfig
    callbacks: CallbackTables = Field(default_factory=dict)
    model: AnyModel
    scale: PlainText = "full"
    seed: Seed
    attribution: AttributionConfig
    resume: Annotated[PlainText | None, Field(exclude=True)] = None


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


class RunCommandConfig(CommandConfig):
    """What the commands that open a run have in common."""

    run: PathText
    split: Split = "test"
    data: DataOverrides
    splits: AnySplits
    seed: Seed


class EvaluateConfig(RunCommandConfig):
    """The config of ``pcam.evaluate``."""

    tta: Symmetries
    threshold: Annotated[float, Field(ge=0, le=1)] | Literal["youden", "sensitivity"]
    sensitivity: Annotated[float, Field(gt=0, le=1)]
    calibration: Literal["none", "temperature"]
    resamples: Resamples


class PredictConfig(CommandConfig):
    """The config of ``pcam.predict``."""

    run: PathText
    split: Literal["train", "valid", "test", "predict"] | None
    data: DataOverrides
    splits: AnySplits
    tta: Symmetries
    submit: Literal["probability", "class"]
    engine: Literal["torch", "onnxruntime", "openvino"]
    labels: PathText | None
    seed: Seed


class EnsembleConfig(CommandConfig):
    """The config of ``pcam.ensemble``."""

    runs: Folders
    split: PlainText
    rule: Literal["majority_vote", "mean_probability", "mean_logit", "rank_mean", "weighted"]
    kaggle: PathText | None
    resamples: Resamples
    seed: Seed


class CompareConfig(CommandConfig):
    """The config of ``pcam.compare``."""

    runs: Folders
    split: PlainText
    against: PositiveInt | None
    resamples: Resamples
    seed: Seed


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
    resamples: Resamples
    seed: Seed

    @model_validator(mode="after")
    def _check_runs(self) -> "BiasConfig":
        if (self.run is None) == (self.runs is None):
            raise fault("give either run=FOLDER or runs=[FOLDER, GLOB, ...], not both")
        return self


class SlideData(Section):
    """How the patches of a slide are read and scored; null keys are as the run has them."""

    batch_size: PositiveInt | None
    num_workers: Workers | None


class SlideConfig(CommandConfig):
    """The config of ``pcam.slide``. ``conf/slide.yaml`` explains each key."""

    cross_checks = (stride_divides_centre,)

    run: PathText
    slide: Folders
    mpp: PositiveFloat
    slide_mpp: PositiveFloat | None
    tissue: Literal["otsu", "all"]
    stain: Literal["compare", "off"]
    centre: PositiveInt | None
    stride: PositiveInt | None
    tta: Symmetries
    smoothing: NonNegativeFloat
    threshold: Annotated[float, Field(ge=0, le=1)] | Literal["youden", "sensitivity"]
    sensitivity: Annotated[float, Field(gt=0, le=1)]
    calibration: Literal["none", "temperature"]
    annotations: PathText | None
    unannotated: Literal["unknown", "normal"]
    attribute: Annotated[int, Field(ge=0, le=MAPS_PER_SHEET)]
    data: SlideData
    resamples: Resamples
    seed: Seed


HUB_NAME = "hub:"
ExportFormat = Literal["onnx", "safetensors", "torchscript", "torch"]


def _check_target(value: str) -> str:
    """Check that ``to`` is a format, or a name on the Hugging Face hub."""
    formats = get_args(ExportFormat)
    if value in formats or re.fullmatch(r"hub:[\w.-]+/[\w.-]+", value):
        return value
    raise fault(f"to={value} must be {', '.join(formats)} or hub:ORG/NAME")


def _check_license(value: str) -> str:
    """Check that a licence is an identifier, as the hub has them."""
    if re.fullmatch(r"[A-Za-z0-9][\w.+-]*", value):
        return value
    raise fault(f"license={value} must be a name as cc0-1.0 or mit")


class ExportConfig(CommandConfig):
    """The config of ``pcam.export``. ``conf/export.yaml`` explains each key."""

    run: PathText
    to: Annotated[PlainText, AfterValidator(_check_target)]
    quantize: Literal["none", "int8"]
    calibration: Literal["none", "temperature"]
    threshold: Annotated[float, Field(ge=0, le=1)] | Literal["youden", "sensitivity"]
    sensitivity: Annotated[float, Field(gt=0, le=1)]
    patches: Annotated[int, Field(ge=1, le=MOST_COMPARED)]
    license: Annotated[PlainText, AfterValidator(_check_license)] | None
    dry_run: bool

    @property
    def repository(self) -> str | None:
        """ORG/NAME on the Hugging Face hub; None if nothing is uploaded."""
        return self.to.removeprefix(HUB_NAME) if self.to.startswith(HUB_NAME) else None

    @property
    def format(self) -> str:
        """The format of the files."""
        return "safetensors" if self.repository is not None else self.to

    @property
    def data(self) -> SlideData:
        """How valid is scored: as in the run."""
        return SlideData(batch_size=None, num_workers=None)

    @property
    def tta(self) -> Symmetries:
        """None: an exported network sees each patch once."""
        return "none"

    @model_validator(mode="after")
    def _check_quantization(self) -> "ExportConfig":
        if self.quantize != "none" and self.format != "onnx":
            raise fault(f"quantize={self.quantize} needs to=onnx, not {self.to}")
        return self


def _check_address(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise fault(f"address={value} must start with http:// or https://")
    return value


class PrepareConfig(CommandConfig):
    """The config of ``pcam.prepare``."""

    data: Annotated[SerializeAsAny[DataConfig], chosen_from(sources)]
    splits: AnySplits
    seed: Seed
    audit: bool
    address: Annotated[str, AfterValidator(_check_address)] | None


class ReportConfig(CommandConfig):
    """The config of ``pcam.report``."""

    runs: Folders
    also: Folders
    split: Literal["valid", "test"]
    title: PlainText | None
    spreadsheets: bool = False
    resamples: Resamples
    seed: Seed
