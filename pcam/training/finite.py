"""Losses, gradients and weights that are not finite: noticed before a checkpoint is written."""

import math
from collections.abc import Mapping

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.types import STEP_OUTPUT
from torch import Tensor, nn
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from pcam.data.datamodule import PatchDataModule
from pcam.errors import NotFiniteError
from pcam.models.accumulation import accumulated_batches
from pcam.models.scores import list_patches
from pcam.models.weights import describe_not_finite

STEPS_BETWEEN_CHECKS = 50  # each check waits for the device
HINT = (
    "lower optimizer.lr, optimizer.head_lr or optimizer.weight_decay, or set"
    " trainer.gradient_clip_val=1"
)
MIXED_HINT = f"{HINT}, or trainer.precision=32-true"


class FiniteSteps(Callback):
    """Ends a training whose loss, gradient or weights are no longer finite.

    Losses and norms stay on the device. They are looked at every few steps, and at an epoch's last
    step, before valid is scored and a checkpoint is written.
    """

    def __init__(self) -> None:
        self._batches: list[int] = []
        self._figures: list[Tensor] = []  # of each batch: its loss, and the last step's norm, (2,)
        self._norm: Tensor | None = None
        self._before: tuple[float, float] | None = None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Discard what an interrupted epoch has left."""
        self._batches, self._figures = [], []

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Keep the norm of the step's gradient."""
        self._norm = gradient_norm(pl_module)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: STEP_OUTPUT,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Keep the batch's loss; look at all that is kept if it is time.

        Raises:
            NotFiniteError: a loss, the gradient or, at an epoch's end, the weights are not finite.
        """
        assert isinstance(outputs, Mapping)
        loss = outputs["loss"]
        norm = torch.zeros_like(loss) if self._norm is None else self._norm
        self._batches.append(batch_idx)
        self._figures.append(torch.stack([loss, norm.to(loss)]))
        if trainer.is_last_batch or len(self._batches) >= STEPS_BETWEEN_CHECKS:
            self.check(trainer)
        if trainer.is_last_batch:
            ensure_finite_weights(trainer, pl_module)

    def check(self, trainer: Trainer) -> None:
        """Look at the figures that are kept since the last look.

        Raises:
            NotFiniteError: one of them is not finite, in any of the processes.
        """
        if not self._figures:
            return
        fault = None
        rows = torch.stack(self._figures).cpu().tolist()
        for batch, (share, norm) in zip(self._batches, rows, strict=True):
            loss = share * step_batches(trainer, batch)  # Lightning has divided it
            fault = describe_step(trainer, batch, loss, norm)
            if fault is not None:
                fault += describe_before(self._before)
                break
            self._before = loss, norm
        self._batches, self._figures = [], []
        line = first_fault(trainer, fault)
        if line is not None:
            raise NotFiniteError(line)


def gradient_norm(model: nn.Module) -> Tensor:
    """Return the norm of all gradients, (), on their device."""
    return get_total_norm([one.grad for one in model.parameters() if one.grad is not None])


def step_batches(trainer: Trainer, batch: int) -> int:
    """Return over how many batches the step of a batch is accumulated."""
    batches = int(trainer.num_training_batches)
    return accumulated_batches(batch, trainer.accumulate_grad_batches, batches)


def describe_step(trainer: Trainer, batch: int, loss: float, norm: float) -> str | None:
    """Return what is not finite in a step of this process; None if all is.

    Args:
        trainer: in the epoch of the step.
        batch: number of its batch.
        loss: of the batch.
        norm: of the gradient. With float16 an infinite one is expected: loss scaling leaves the
            step out.
    """
    has_scaler = getattr(trainer.precision_plugin, "scaler", None) is not None
    if math.isfinite(loss) and (has_scaler or math.isfinite(norm)):
        return None
    where = f"epoch {trainer.current_epoch + 1}, step {batch + 1}"
    what = f"the loss is {loss}"
    if math.isfinite(loss):
        what = f"the gradient's norm is {norm} (loss {loss:.4g})"
    return f"{where}: {what} on {_describe_batch(trainer, batch)}"


def _describe_batch(trainer: Trainer, batch: int) -> str:
    data = trainer.datamodule  # type: ignore[attr-defined]
    assert isinstance(data, PatchDataModule)
    indices = data.training_batch(batch)
    return list_patches(data.sources["train"].ids, indices)


def describe_before(figures: tuple[float, float] | None) -> str:
    """Return loss and norm of the step before, to follow ``describe_step``."""
    if figures is None:
        return "; it is the first step"
    loss, norm = figures
    return f"; before it loss {loss:.4g}, gradient norm {norm:.4g}"


def hint(trainer: Trainer) -> str:
    """Return what may help against a training that is not finite."""
    return MIXED_HINT if "mixed" in str(trainer.precision) else HINT


def first_fault(trainer: Trainer, fault: str | None) -> str | None:
    """Return a fault of any process, in all of them; one about a loss names its patches.

    Args:
        trainer: whose processes call this together.
        fault: of this process.
    """
    if trainer.world_size == 1:
        return fault
    if trainer.strategy.reduce_boolean_decision(fault is None, all=True):
        return None
    faults: list[str | None] = [None] * trainer.world_size
    torch.distributed.all_gather_object(faults, fault)
    found = [one for one in faults if one is not None]
    return min(found, key=lambda one: "the loss is" not in one)


def ensure_finite_weights(trainer: Trainer, model: nn.Module) -> None:
    """Make sure that the weights are finite after an epoch's last step.

    Raises:
        NotFiniteError: names the tensors that are not.
    """
    fault = describe_not_finite(model.state_dict())
    if fault is not None:
        epoch = trainer.current_epoch + 1
        raise NotFiniteError(f"epoch {epoch}: weights that are not finite: {fault}")
