"""Checkpoints inside of an epoch, and the end of a training that a signal asks for.

The order of patches, crops, augmentation and dropout are functions of (seed, epoch, step), so a
checkpoint needs no more of the epoch than its number of batches and the sums of its means.
"""

import time
from dataclasses import asdict, dataclass
from enum import IntEnum
from pathlib import Path

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.utilities.types import STEP_OUTPUT

from pcam.errors import INTERRUPTED, STOPPED, RunError
from pcam.runs.checkpoints import CheckpointState
from pcam.runs.folder import last_checkpoint
from pcam.training.finite import FiniteSteps, ensure_finite_weights
from pcam.training.signals import StopRequest

STEPS_BETWEEN_VOTES = 16  # of several processes on GPUs: each vote waits for the device
POSITION_KEY = "epoch_position"  # of a checkpoint


@dataclass(frozen=True)
class EpochPosition:
    """How far an epoch was trained, and what decides which patches its batches have.

    Attributes:
        batch: number of the next batch, from 0.
        batches: of an epoch and process.
        processes: that train together.
        accumulated: batches per step.
    """

    batch: int
    batches: int
    processes: int
    accumulated: int

    @classmethod
    def of(cls, trainer: Trainer, batch: int) -> "EpochPosition":
        """Return the position of a trainer before a batch."""
        batches = int(trainer.num_training_batches)
        return cls(batch, batches, trainer.world_size, trainer.accumulate_grad_batches)

    @classmethod
    def read(cls, checkpoint: CheckpointState) -> "EpochPosition | None":
        """Return the position that a checkpoint keeps; None if it is of an epoch's end."""
        saved = checkpoint.get(POSITION_KEY)
        return None if saved is None else cls(**saved)

    def differing_key(self, other: "EpochPosition") -> str | None:
        """Return the key and value to set, for another position to have the same batches."""
        if self.processes != other.processes:
            return f"trainer.devices={self.processes}"
        if self.accumulated != other.accumulated:
            return f"trainer.accumulate_grad_batches={self.accumulated}"
        if self.batches != other.batches:
            return f"the trainer.limit_train_batches of its start ({self.batches} batches)"
        return None


def trained_epochs(checkpoint: CheckpointState) -> int:
    """Return the number of epochs that were completed before a checkpoint."""
    epoch = int(checkpoint["epoch"])
    return epoch if EpochPosition.read(checkpoint) is not None else epoch + 1


class Action(IntEnum):
    """What happens after a step."""

    GO_ON = 0
    SAVE = 1
    STOP = 2  # after saving, by SIGTERM or SIGUSR1
    INTERRUPT = 3  # after saving, by ctrl-C


class StepCheckpoints(Checkpoint):
    """Writes last.ckpt inside of epochs, and ends the training after a signal.

    It is the last of the callbacks, so that the others' states are those after the step. An epoch's
    last step is followed by the scoring of valid and by the epoch's own checkpoint.

    Args:
        folder: the run's.
        minutes: between two checkpoints; None for none by time.
        steps: of the optimizer between two checkpoints; None for none by steps.
        stop: set by signals.
    """

    def __init__(
        self, folder: Path, minutes: float | None, steps: int | None, stop: StopRequest
    ) -> None:
        self.folder = folder
        self.minutes = minutes
        self.steps = steps
        self.stop = stop
        self._saved = time.monotonic()
        self._position: EpochPosition | None = None  # while a checkpoint is written
        self._resumed: EpochPosition | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From now on signals wait for the end of a step.

        Raises:
            RunError: the rest of the epoch would have other batches than it would have had.
        """
        if self._resumed is not None:
            self._compare(trainer, self._resumed)
        self.stop.deferred = True
        self._saved = time.monotonic()

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: CheckpointState
    ) -> None:
        """Store how far the epoch is trained."""
        if self._position is not None:
            checkpoint[POSITION_KEY] = asdict(self._position)

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: CheckpointState
    ) -> None:
        """Keep how far the epoch was trained."""
        self._resumed = EpochPosition.read(checkpoint)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: STEP_OUTPUT,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Save after a step, if it is time or the training shall end.

        Raises:
            NotFiniteError: a loss, a gradient or the weights are not finite.
            SystemExit: after a signal.
        """
        if trainer.is_last_batch or (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        if not self._is_time_to_vote(trainer):
            return
        action = self._agree(trainer, self._choose(trainer))
        if action is Action.GO_ON:
            return
        ensure_finite_steps(trainer, pl_module)
        self._position = EpochPosition.of(trainer, batch_idx + 1)
        trainer.save_checkpoint(last_checkpoint(self.folder))
        self._position = None
        self._saved = time.monotonic()
        self._end_if_asked(action)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End the training after a signal; the epoch's checkpoint has just been written.

        Raises:
            SystemExit: after a signal.
        """
        self._saved = time.monotonic()
        wanted = Action.GO_ON if self.stop.signal is None else self._asked_end()
        self._end_if_asked(self._agree(trainer, wanted))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From now on a signal ends the process at once: a resumed run scores again."""
        self.stop.deferred = False

    def _compare(self, trainer: Trainer, resumed: EpochPosition) -> None:
        key = resumed.differing_key(EpochPosition.of(trainer, resumed.batch))
        if key is not None:
            raise RunError(
                f"{self.folder} was stopped in the middle of epoch {trainer.current_epoch + 1}, "
                f"which can only be completed with {key}"
            )

    def _is_time_to_vote(self, trainer: Trainer) -> bool:
        """Return whether all processes decide after a step what happens; the same in all."""
        on_cpu = trainer.strategy.root_device.type == "cpu"
        if trainer.world_size == 1 or on_cpu or self._is_saved_by_steps(trainer):
            return True
        return trainer.global_step % STEPS_BETWEEN_VOTES == 0

    def _is_saved_by_steps(self, trainer: Trainer) -> bool:
        return self.steps is not None and trainer.global_step % self.steps == 0

    def _choose(self, trainer: Trainer) -> Action:
        """Return what this process wants to happen after a step."""
        if self.stop.signal is not None:
            return self._asked_end()
        by_steps = self._is_saved_by_steps(trainer)
        seconds = time.monotonic() - self._saved
        by_time = self.minutes is not None and seconds >= 60 * self.minutes
        return Action.SAVE if by_steps or by_time else Action.GO_ON

    def _asked_end(self) -> Action:
        """Return how the signal that this process has received ends the training."""
        return Action.STOP if self.stop.status == STOPPED else Action.INTERRUPT

    def _end_if_asked(self, action: Action) -> None:
        """End the training if a process was asked to; all processes have the same status.

        Raises:
            SystemExit: one was asked to.
        """
        if action < Action.STOP:
            return
        self.stop.status_of_group = STOPPED if action is Action.STOP else INTERRUPTED
        raise SystemExit(self.stop.status)

    def _agree(self, trainer: Trainer, wanted: Action) -> Action:
        """Return what happens in all processes: the most that any of them wants."""
        if trainer.world_size == 1:
            return wanted
        value = torch.tensor(int(wanted), device=trainer.strategy.root_device)
        torch.distributed.all_reduce(value, op=torch.distributed.ReduceOp.MAX)
        return Action(int(value))


def ensure_finite_steps(trainer: Trainer, module: LightningModule) -> None:
    """Make sure that losses, gradients and weights are finite before a checkpoint is written.

    Raises:
        NotFiniteError: one is not.
    """
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, FiniteSteps):
            callback.check(trainer)
    ensure_finite_weights(trainer, module)
