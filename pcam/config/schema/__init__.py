"""The config of each command: one class, validated once when the command starts."""

from pcam.config.schema.command import CommandConfig, DataOverrides, ReadingData, RunCommandConfig
from pcam.config.schema.explaining import AttributeConfig, BiasConfig, PatchChoice
from pcam.config.schema.exporting import ExportConfig
from pcam.config.schema.preparing import PrepareConfig
from pcam.config.schema.probing import ProbeConfig
from pcam.config.schema.reporting import ReportConfig
from pcam.config.schema.scoring import CompareConfig, EnsembleConfig, EvaluateConfig, PredictConfig
from pcam.config.schema.slides import SlideConfig
from pcam.config.schema.training import TrainConfig

__all__ = [
    "AttributeConfig",
    "BiasConfig",
    "CommandConfig",
    "CompareConfig",
    "DataOverrides",
    "EnsembleConfig",
    "EvaluateConfig",
    "ExportConfig",
    "PatchChoice",
    "PredictConfig",
    "PrepareConfig",
    "ProbeConfig",
    "ReadingData",
    "ReportConfig",
    "RunCommandConfig",
    "SlideConfig",
    "TrainConfig",
]
