"""Steps that are left out because their loss or gradient is not finite."""

import logging

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer

from pcam.training.finite import (
    describe_step,
    ensure_finite_weights,
    first_fault,
    gradient_norm,
    step_batches,
)

log = logging.getLogger(__name__)
SHOWN_STEPS = 10  # metrics.csv has the count of all


class SkipNotFinite(Callback):
    """Leaves out the steps whose loss or gradient is not finite, and counts them.

    Weights, the optimizer's state and BatchNorm's statistics stay as they were; learning rates
    follow their schedule. This looks at each step, and so waits for the device.

    Attributes:
        skipped: steps that were left out so far.
    """

    def __init__(self) -> None:
        self.skipped = 0
        self._losses: list[Tensor] = []
        self._batch = 0
        self._buffers: list[Tensor] = []

    def state_dict(self) -> dict[str, int]:
        """Return what a checkpoint keeps."""
        return {"skipped": self.skipped}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Restore what a checkpoint keeps."""
        self.skipped = state_dict["skipped"]

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Keep the buffers as they are before a step."""
        self._batch = batch_idx
        if batch_idx % trainer.accumulate_grad_batches == 0:
            self._losses = []
            self._buffers = [buffer.clone() for buffer in pl_module.buffers()]

    def on_before_backward(
        self, trainer: Trainer, pl_module: LightningModule, loss: Tensor
    ) -> None:
        """Keep the batch's loss."""
        self._losses.append(loss.detach() * step_batches(trainer, self._batch))

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Leave the step out if a loss or the gradient is not finite.

        An optimizer does not change parameters without a gradient, nor their state.
        """
        fault = first_fault(trainer, self._describe(trainer, gradient_norm(pl_module)))
        if fault is None:
            return
        optimizer.zero_grad(set_to_none=True)
        for buffer, before in zip(pl_module.buffers(), self._buffers, strict=True):
            buffer.copy_(before)
        self.skipped += 1
        if trainer.is_global_zero and self.skipped <= SHOWN_STEPS:
            log.warning("%s; step skipped (%d so far)", fault, self.skipped)

    def _describe(self, trainer: Trainer, norm: Tensor) -> str | None:
        """Return what is not finite in the step of the batches that are kept."""
        losses = torch.stack(self._losses).tolist()
        first = self._batch + 1 - len(losses)
        for position, loss in enumerate(losses):
            fault = describe_step(trainer, first + position, loss, float(norm))
            if fault is not None:
                return fault
        return None

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Log the count, and look at the weights, at an epoch's end.

        Raises:
            NotFiniteError: the weights are not finite.
        """
        if trainer.is_last_batch:
            pl_module.log("train/skipped", float(self.skipped), on_step=False, on_epoch=True)
            ensure_finite_weights(trainer, pl_module)
