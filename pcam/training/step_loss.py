"""The loss of a training's steps, read now and then: reading it waits for the device."""

import time
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.utilities.types import STEP_OUTPUT

from pcam.models.classifier import PatchClassifier

EVERY = 50  # steps
SECONDS = 0.5


class StepLoss(Callback):
    """Sends the loss of every 50th step to the loggers."""

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Log the step's loss if it is one of those."""
        if not trainer.loggers or trainer.global_step % EVERY:
            return
        values = {"train/loss_step": _read_loss(pl_module), "epoch": trainer.current_epoch}
        for logger in trainer.loggers:
            logger.log_metrics(values, step=trainer.global_step)


class ProgressBar(TQDMProgressBar):
    """A bar of the epoch's steps and their loss, refreshed at most twice a second."""

    def __init__(self) -> None:
        super().__init__()
        self._refreshed = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the bar of the epoch, also where a training goes on in the middle of it."""
        super().on_train_start(trainer, pl_module)
        self.on_train_epoch_start(trainer, pl_module)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: STEP_OUTPUT,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Refresh the bar if it is time."""
        now = time.monotonic()
        if now - self._refreshed < SECONDS and not trainer.is_last_batch:
            return
        self._refreshed = now
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Return what the bar shows beside the steps."""
        metrics = super().get_metrics(trainer, pl_module)
        if trainer.training:
            metrics["loss"] = f"{_read_loss(pl_module):.4f}"
        return metrics


def _read_loss(module: LightningModule) -> float:
    assert isinstance(module, PatchClassifier)
    return float("nan") if module.step_loss is None else float(module.step_loss)
