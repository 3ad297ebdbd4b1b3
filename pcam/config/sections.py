"""The sections of a training's config: one class per group of conf/.

Sections whose entries are registered by name (data, aug, model, loss, optimizer, scheduler) have a
base class here, with the keys that all entries share; an entry's own keys are in a subclass beside
it.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from pcam.config.base import (
    LARGEST_INT,
    FreeTable,
    NonNegativeFloat,
    NonNegativeInt,
    OpenShare,
    PathText,
    PlainText,
    PositiveFloat,
    PositiveInt,
    ProcessCount,
    Rate,
    Section,
    absolute_path,
    plain_text,
)
from pcam.config.choices import names_from
from pcam.config.registry import loggers, methods

Workers = ProcessCount | Literal["auto"]
Duplicates = Literal["keep", "group", "drop"]
CropMode = Literal["none", "center", "random", "ring"]
Interpolation = Literal["nearest", "bilinear", "bicubic"]
CompileMode = Literal["auto", "off", "folded", "graph", "default", "reduce-overhead"]
Symmetries = Literal["none", "flips", "d4"]
BatchNormMode = Literal["auto", "moving", "kept"]
FeatureType = Literal["float32", "float16"]
InputSize = PositiveInt | Literal["auto", "small"] | None
WEIGHTS = ("imagenet", "none", "auto")  # other values of model.weights are paths
MAPS_PER_SHEET = 24
MOST_COPIES = 1000  # of a patch, augmented
WORKER_TIMEOUT = 600.0  # seconds


class DataConfig(Section):
    """What every source has in common; a source's own keys are in a subclass.

    Attributes:
        name: of the registered source.
        batch_size: patches per step and process.
        num_workers: processes that read and augment; auto depends on the device.
        worker_timeout: seconds to wait for a batch of these processes; None for no limit.
        sampler: which patches an epoch trains on: shuffled, each patch once; balanced, as many of
            each class.
        patches_per_epoch: of the training, of all processes; auto: each patch once, those of a
            small split several times; None for each patch once.
        limit: patches per split at most; None for all.
        duplicates: what happens to equal patches: keep, group (on one side of a split), drop.
        positive: name of the class that has label 1; None for what the data or the run says.
        resident: keep the patches on the training's device; auto: on a GPU, if they fit.
        changed: whether a run is resumed with other patches than it was trained on.
    """

    name: str
    batch_size: PositiveInt = 64
    num_workers: Workers = "auto"
    worker_timeout: PositiveFloat | None = WORKER_TIMEOUT
    sampler: Literal["shuffled", "balanced"] = "shuffled"
    patches_per_epoch: PositiveInt | Literal["auto"] | None = None
    limit: PositiveInt | None = None
    duplicates: Duplicates = "group"
    positive: PlainText | int | float | bool | None = None
    resident: bool | Literal["auto"] = "auto"
    changed: Literal["refuse", "accept"] = "refuse"


class SplitsConfig(Section):
    """How patches are split into train and valid; the base of all ways."""

    name: str


class AutoSplits(SplitsConfig):
    """As published, if splits are published; else by slide, if slides are known; else random."""

    name: Literal["auto"]
    share: OpenShare
    seed: NonNegativeInt


class OfficialSplits(SplitsConfig):
    """As published."""

    name: Literal["official"]


class RandomSplits(SplitsConfig):
    """Train and valid drawn at random, stratified by class."""

    name: Literal["random"]
    share: OpenShare
    seed: NonNegativeInt


class SlideSplits(SplitsConfig):
    """Train and valid drawn by whole slides."""

    name: Literal["slide"]
    share: OpenShare
    seed: NonNegativeInt


class FoldSplits(SplitsConfig):
    """One of k folds of whole slides is valid."""

    name: Literal["folds"]
    folds: Annotated[int, Field(ge=2, le=LARGEST_INT)]
    fold: NonNegativeInt
    seed: NonNegativeInt

    @model_validator(mode="after")
    def _check_fold(self) -> "FoldSplits":
        if self.fold >= self.folds:
            raise PydanticCustomError(
                "fault", f"splits.fold={self.fold} must be from 0 to {self.folds - 1}"
            )
        return self


class FileSplits(SplitsConfig):
    """As a csv with the columns id and split says."""

    name: Literal["file"]
    file: PathText


AnySplits = Annotated[
    AutoSplits | OfficialSplits | RandomSplits | SlideSplits | FoldSplits | FileSplits,
    Field(discriminator="name"),
]


class CropConfig(Section):
    """Which part of a patch the network sees, per split.

    Attributes:
        size: side of the square, pixels; None for the whole patch.
        interpolation: from the crop's size to the network's input size.
    """

    size: PositiveInt | None
    interpolation: Interpolation
    train: CropMode
    valid: CropMode
    test: CropMode

    @property
    def is_used(self) -> bool:
        """Whether any split is cropped."""
        return {self.train, self.valid, self.test} != {"none"}

    @model_validator(mode="after")
    def _check_size(self) -> "CropConfig":
        if self.is_used and self.size is None:
            raise PydanticCustomError("fault", "crop.size=null must be an integer, to crop patches")
        return self


class AugConfig(Section):
    """What every augmentation has in common; its own keys are in a subclass.

    Attributes:
        name: of the registered augmentation.
        batched: augment whole batches on the training's device; auto: on a GPU, if the recipe has
            a form for it.
        mixup: both parameters of the beta distribution by which the patches of a training batch
            are blended with each other; 0 for no blending.
    """

    name: str
    batched: bool | Literal["auto"] = False
    mixup: NonNegativeFloat = 0.0


class HeadConfig(Section):
    """The layers after the backbone.

    Attributes:
        pool: how the last feature map becomes a vector: avg (the network's own pooling), flatten,
            or for networks of tokens cls (the class token), patch_avg (the mean of the patches'
            tokens) or cls_avg (both).
        hidden: width of a layer between backbone and output; None for none.
        dropout: share of units.
        batch_norm: whether the hidden layer has BatchNorm.
    """

    pool: Literal["avg", "flatten", "cls", "patch_avg", "cls_avg"] = "avg"
    hidden: PositiveInt | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    batch_norm: bool = False


def _weights(value: str) -> str:
    return value if value in WEIGHTS else absolute_path(plain_text(value))


Channel = Annotated[float, Field(ge=0, le=1)]
ChannelScale = PositiveFloat
ThreeChannels = Annotated[list[Channel], Field(min_length=3, max_length=3)]
ThreeScales = Annotated[list[ChannelScale], Field(min_length=3, max_length=3)]


class ModelConfig(Section):
    """A network, its weights and its input.

    Attributes:
        name: of the registered backbone, or of any of timm's networks.
        at_scale: the network's name at each scale.
        kwargs: passed to the network.
        weights: imagenet, none, auto, or a file.
        mean: of the input, one number or three; None for that of the ImageNet weights.
        std: likewise.
        input_size: pixels; None to leave patches as they are; auto: chosen for the weights; small:
            chosen for the network alone.
    """

    name: PlainText
    at_scale: dict[str, PlainText] = Field(default_factory=dict)
    kwargs: FreeTable = Field(default_factory=dict)
    weights: Annotated[str, AfterValidator(_weights)] = "auto"
    mean: Channel | ThreeChannels | None = None
    std: ChannelScale | ThreeScales | None = None
    input_size: InputSize = "auto"
    head: HeadConfig = HeadConfig()


class LossConfig(Section):
    """What every loss has in common."""

    name: str


class OptimizerConfig(Section):
    """What every optimizer has in common.

    Attributes:
        name: adam, adamw, sgd, another registered one, or any of timm's.
        lr: learning rate of the backbone.
        head_lr: learning rate of the head.
        weight_decay: of both.
        kwargs: anything else that the optimizer takes.
    """

    name: PlainText
    lr: Rate
    head_lr: Rate
    weight_decay: Rate
    kwargs: FreeTable = Field(default_factory=dict)


class SchedulerConfig(Section):
    """What every schedule of learning rates has in common.

    Attributes:
        warmup: share of all steps over which the rates rise.
    """

    name: str
    warmup: Annotated[float, Field(ge=0, lt=1)]


class FinetuneConfig(Section):
    """Which layers are trained when; the base of all ways.

    Attributes:
        layer_decay: a group of the backbone's layers has this share of the learning rate of the
            next; None for one rate.
    """

    name: str
    layer_decay: OpenShare | None = None


class FullFinetune(FinetuneConfig):
    """Every layer from the first step."""

    name: Literal["full"]
    batchnorm: BatchNormMode


class FrozenFinetune(FinetuneConfig):
    """The head only.

    Attributes:
        batchnorm: without effect, as nothing of a frozen backbone moves; recipes may set it.
    """

    name: Literal["frozen"]
    batchnorm: BatchNormMode = "kept"


class FrozenThenUnfrozenFinetune(FinetuneConfig):
    """The head only, then every layer.

    Attributes:
        unfreeze_epoch: first epoch, from 0, in which the backbone is trained; None for half.
    """

    name: Literal["frozen_then_unfrozen"]
    unfreeze_epoch: NonNegativeInt | None
    batchnorm: BatchNormMode


class LastBlocksFinetune(FinetuneConfig):
    """The head and the last blocks of the backbone, from the first step.

    Attributes:
        blocks: how many.
    """

    name: Literal["last_blocks"]
    blocks: PositiveInt
    batchnorm: BatchNormMode


class LoraFinetune(FinetuneConfig):
    """The head, and changes of low rank of the weights of the backbone's attention (LoRA).

    Attributes:
        rank: of the changes.
        alpha: their scale, times the rank.
    """

    name: Literal["lora"]
    rank: PositiveInt
    alpha: PositiveFloat


class FeaturesConfig(Section):
    """Features of a frozen backbone that are computed once, and kept in files.

    Attributes:
        use: whether the head is trained on them.
        cache: folder of the files, which runs of the same patches and backbone share.
        dtype: of the numbers in the files.
        augment: augmented copies of each training patch; 0 for the patch itself.
    """

    use: bool = False
    cache: PathText = "features"
    dtype: FeatureType = "float32"
    augment: Annotated[int, Field(ge=0, le=MOST_COPIES)] = 0


AnyFinetune = Annotated[
    FullFinetune | FrozenFinetune | FrozenThenUnfrozenFinetune | LastBlocksFinetune | LoraFinetune,
    Field(discriminator="name"),
]


def _off(value: object) -> object:
    """Return "off" for what YAML makes of it."""
    return "off" if value is False else value


class PruneConfig(Section):
    """When a sweep's job ends early by the median rule.

    Attributes:
        after: epochs that each job is given; None to end none.
        jobs: how many jobs must have finished.
        at_scale: ``after`` at each scale, for experiments to choose from.
    """

    after: PositiveInt | None
    jobs: PositiveInt
    at_scale: dict[str, int] = Field(default_factory=dict)


Devices = (
    Annotated[ProcessCount, Field(ge=1)]
    | Literal["auto"]
    | Annotated[list[NonNegativeInt], Field(min_length=1)]
)


class TrainerConfig(Section):
    """Lightning's Trainer and what runs beside it. ``conf/trainer/auto.yaml`` explains each key."""

    max_epochs: PositiveInt
    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"]
    devices: Devices
    num_nodes: PositiveInt
    precision: Literal["auto", "32-true", "16-mixed", "bf16-mixed", "64-true"]
    accumulate_grad_batches: PositiveInt
    gradient_clip_val: PositiveFloat | None
    on_nan: Literal["stop", "skip"] = "stop"
    early_stopping: PositiveInt | None
    prune: PruneConfig
    ema: OpenShare | None
    find_lr: bool = False
    tta: Symmetries = "none"
    deterministic: bool | Literal["warn"]
    limit_train_batches: PositiveInt | Annotated[float, Field(gt=0, le=1)] | None
    compile: Annotated[CompileMode, BeforeValidator(_off)] = "auto"
    progress: bool
    out_of_memory: Literal["halve", "stop"] = "halve"
    checkpoint_minutes: PositiveFloat | None = 10.0
    checkpoint_steps: PositiveInt | None = None

    @model_validator(mode="after")
    def _check_prune(self) -> "TrainerConfig":
        after = self.prune.after
        if after is not None and after >= self.max_epochs:
            raise PydanticCustomError(
                "fault",
                f"trainer.prune.after={after} must be less than "
                f"trainer.max_epochs={self.max_epochs}",
            )
        return self


class LoggerConfig(Section):
    """Loggers by name, and the settings of those that are named.

    Attributes:
        names: of registered loggers; metrics.csv is written in any case.
    """

    model_config = ConfigDict(extra="allow")

    names: Annotated[list[str], names_from(loggers)]

    def settings(self) -> Mapping[str, object]:
        """Return the keys beside ``names``."""
        return self.model_extra or {}


class AttributionConfig(Section):
    """Maps of the same few valid patches during a training.

    Attributes:
        every: epochs between maps; None for no maps.
        patches: how many.
        methods: names of registered attribution methods.
    """

    every: PositiveInt | None
    patches: Annotated[int, Field(ge=1, le=MAPS_PER_SHEET)]
    methods: Annotated[list[str], Field(min_length=1), names_from(methods)]
