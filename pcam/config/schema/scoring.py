"""The configs of the commands that score patches, and of those that read scores."""

from typing import Literal

from pcam.config.base import PathText, PlainText, PositiveInt, Seed
from pcam.config.schema.command import (
    Calibration,
    CommandConfig,
    DataOverrides,
    Folders,
    GallerySize,
    Resamples,
    RunCommandConfig,
    Sensitivity,
    Threshold,
)
from pcam.config.sections import AnySplits, Symmetries


class EvaluateConfig(RunCommandConfig):
    """The config of ``pcam.evaluate``. ``conf/evaluate.yaml`` explains each key."""

    tta: Symmetries
    threshold: Threshold
    sensitivity: Sensitivity
    calibration: Calibration
    gallery: GallerySize = 0
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
