"""Room on the disk for the checkpoints of a training, looked at before it starts."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from pcam.config.schema import TrainConfig
from pcam.config.sections import OptimizerConfig
from pcam.errors import WriteError
from pcam.models.classifier import PatchClassifier
from pcam.models.partial import trained_parameters
from pcam.runs.checkpoints import checkpoint_files
from pcam.stats.formatting import format_size

FILES = 4  # that exist at once: best, last, previous, and the one that is being written


def require_room(folder: Path, config: TrainConfig, model: PatchClassifier) -> None:
    """Make sure that a disk has room for a run's checkpoints.

    Args:
        folder: the run's.
        config: the run's.
        model: that will be trained.

    Raises:
        WriteError: there is less.
    """
    size = checkpoint_size(config, model)
    there = sum(path.stat().st_size for path in checkpoint_files(folder))
    needed = FILES * size - there
    free = shutil.disk_usage(folder).free
    if free >= needed:
        return
    error = WriteError(
        f"{folder}: {format_size(free)} are free, and its checkpoints need {format_size(needed)} "
        f"({FILES} files of {format_size(size)})"
    )
    error.advice = "make room, or set another hydra.run.dir"
    raise error


def checkpoint_size(config: TrainConfig, model: PatchClassifier) -> int:
    """Return the least bytes of a checkpoint: weights, optimizer's state, moving average."""
    network = model.network
    trained = network.head if model.plan.always_frozen else network
    moments = _count_moments(config.optimizer)
    weights = _bytes(network.state_dict().values())
    averaged = weights if config.trainer.ema is not None else 0
    return weights + averaged + moments * _bytes(trained_parameters(trained))


def _count_moments(config: OptimizerConfig) -> int:
    """Return how many tensors of a parameter's size an optimizer keeps, at least."""
    if config.name in ("adam", "adamw"):
        return 2
    return 1 if config.kwargs.get("momentum") else 0


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
