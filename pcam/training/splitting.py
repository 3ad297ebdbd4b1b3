"""Batches that are split into parts, because a device's memory does not hold a whole one.

A step accumulates the gradients of all parts of its batches, so the number of steps, the patches
of each step and the learning rates stay as they were.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning import Callback, LightningModule, Trainer
from torch.nn.modules.batchnorm import _BatchNorm

from pcam.config.sections import TrainerConfig
from pcam.data.datamodule import PatchDataModule
from pcam.models.classifier import PatchClassifier
from pcam.runs.checkpoints import CheckpointState
from pcam.runs.folder import last_checkpoint
from pcam.training.library_errors import DeviceMemoryError, is_out_of_memory
from pcam.training.step_checkpoints import POSITION_KEY

KEY = "batch_parts"  # of a checkpoint
COUNTS = ("ready", "started", "processed")  # of Lightning's progress, beside completed


@dataclass(frozen=True)
class BatchSplit:
    """Into how many parts each batch is split.

    Attributes:
        parts: of each batch.
        changes: what happened before: first epoch (from 0) and parts, in order.
    """

    parts: int = 1
    changes: tuple[tuple[int, int], ...] = ()

    @classmethod
    def read(cls, checkpoint: CheckpointState) -> "BatchSplit":
        """Return the split that a checkpoint was trained with.

        Raises:
            ValueError: it holds other values.
        """
        changes = tuple((epoch, parts) for epoch, parts in checkpoint.get(KEY, ()))
        numbers = [number for change in changes for number in change]
        if not all(type(number) is int and number >= 0 for number in numbers):
            raise ValueError(f"{KEY} is {changes}")
        parts = changes[-1][1] if changes else 1
        if parts < 1:
            raise ValueError(f"{KEY} is {changes}")
        return cls(parts, changes)

    def at_least(self, parts: int, epoch: int) -> "BatchSplit":
        """Return a split into at least as many parts, from an epoch on."""
        if parts <= self.parts:
            return self
        return BatchSplit(parts, (*self.changes, (epoch, parts)))


def split_trainer(settings: TrainerConfig, split: BatchSplit, batches: int) -> TrainerConfig:
    """Return a trainer's settings with which parts of batches make the steps of whole ones.

    Args:
        settings: the config's ``trainer``.
        split: of each batch.
        batches: whole ones of an epoch and process.
    """
    if split.parts == 1:
        return settings
    limit = settings.limit_train_batches
    if isinstance(limit, float):
        limit = int(batches * limit)
    update = {
        "accumulate_grad_batches": settings.accumulate_grad_batches * split.parts,
        "limit_train_batches": None if limit is None else limit * split.parts,
    }
    return settings.model_copy(update=update)


@contextmanager
def memory_errors_counted(data: PatchDataModule, model: PatchClassifier) -> Iterator[None]:
    """Report a device without memory, and into how many parts a batch has to be split to go on.

    Args:
        data: of the training.
        model: that is trained.

    Raises:
        DeviceMemoryError: the device's memory is full.
    """
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise DeviceMemoryError(parts=_more_parts(data, model)) from error


def _more_parts(data: PatchDataModule, model: PatchClassifier) -> int | None:
    """Return the next larger number of parts; None if a batch cannot be split further."""
    size = data.batch_size
    smaller = _largest_divisor(size)
    smallest = 2 if _has_moving_statistics(model) else 1
    if smaller < smallest or smaller == size or not data.fills_a_batch():
        return None
    return data.parts * (size // smaller)


def _largest_divisor(number: int) -> int:
    """Return the largest divisor of a number that is less than it: its half if it is even."""
    for factor in range(2, number + 1):
        if number % factor == 0:
            return number // factor
    return 1


def _has_moving_statistics(model: PatchClassifier) -> bool:
    """Return whether a BatchNorm layer takes its statistics from the batch."""
    network = model.network
    kept = model.plan.keep_statistics or model.plan.always_frozen
    modules = network.head.modules() if kept else network.modules()
    return any(isinstance(module, _BatchNorm) for module in modules)


def checkpoint_time(folder: Path) -> int | None:
    """Return when a run's last checkpoint was written, ns; None if there is none."""
    path = last_checkpoint(folder)
    return path.stat().st_mtime_ns if path.is_file() else None


def release_memory() -> None:
    """Free the memory of a training that has failed, whose exception is no longer referred to."""
    gc.collect()
    torch.cuda.empty_cache()


class SplitBatches(Callback):
    """Keeps in checkpoints into how many parts batches are split.

    The progress of a checkpoint of larger parts is converted. It is at the end of a step, where
    each whole batch is complete.

    Args:
        split: of this training.
    """

    def __init__(self, split: BatchSplit) -> None:
        self.split = split

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: CheckpointState
    ) -> None:
        """Store the split, if there is one."""
        if self.split.changes:
            checkpoint[KEY] = [list(change) for change in self.split.changes]

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: CheckpointState
    ) -> None:
        """Convert numbers of larger parts to those of this training."""
        factor = self.split.parts // BatchSplit.read(checkpoint).parts
        if factor == 1:
            return
        progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        for counts in (progress["total"], progress["current"]):
            _multiply_counts(counts, factor)
        if POSITION_KEY in checkpoint:
            position = dict(checkpoint[POSITION_KEY])
            for name in ("batch", "batches", "accumulated"):
                position[name] *= factor
            checkpoint[POSITION_KEY] = position


def _multiply_counts(counts: dict[str, int], factor: int) -> None:
    """Multiply Lightning's counts of batches; a batch that is not completed stays one."""
    unfinished = counts["processed"] - counts["completed"]
    for name in COUNTS:
        counts[name] *= factor
    counts["completed"] = counts["processed"] - unfinished
