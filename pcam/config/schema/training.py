"""The config of a training."""

from typing import Annotated

from pydantic import Field, SerializeAsAny

from pcam.config.base import PlainText, Seed
from pcam.config.checks import TRAINING_CHECKS, model_name_is_known, optimizer_name_is_known
from pcam.config.choices import chosen_from
from pcam.config.registry import augmentations, losses, optimizers, schedulers, sources
from pcam.config.schema.command import AnyModel, CommandConfig
from pcam.config.sections import (
    AnyFinetune,
    AnySplits,
    AttributionConfig,
    AugConfig,
    CropConfig,
    DataConfig,
    FeaturesConfig,
    LoggerConfig,
    LossConfig,
    OptimizerConfig,
    SchedulerConfig,
    TrainerConfig,
)
from pcam.config.settings import CallbackTables


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
