"""What callbacks and loggers are given beside their own settings."""

from dataclasses import dataclass
from pathlib import Path

from pcam.config.schema import TrainConfig


@dataclass(frozen=True)
class RunContext:
    """The run that a callback or a logger belongs to.

    Attributes:
        folder: the run folder.
        config: the run's config.
    """

    folder: Path
    config: TrainConfig
