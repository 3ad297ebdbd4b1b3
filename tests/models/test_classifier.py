"""A training step: what it reads of the device (nothing), and its draws."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pcam.models.classifier import PatchClassifier
from pcam.training.preparation import build_classifier
from pcam.training.step_loss import StepLoss
from tests.conftest import TINY
from tests.run import composed


class NoReading(TorchDispatchMode):
    """Makes it an error to read a tensor's value, which waits for a GPU."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = str(func)
        if "_local_scalar_dense" in name or "nonzero" in name:
            raise AssertionError(f"{name} waits for the device")
        return func(*args, **(kwargs or {}))


@pytest.fixture
def model() -> PatchClassifier:
    classifier = build_classifier(composed(*TINY, "model.head.dropout=0.2"))
    classifier._trainer = SimpleNamespace(
        world_size=1,
        global_rank=0,
        current_epoch=0,
        accumulate_grad_batches=1,
        num_training_batches=9,
        is_last_batch=False,
        barebones=False,
        _results=None,
        loggers=[],
    )
    return classifier


def batch() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8, generator=generator)
    return {"image": image, "label": torch.tensor([0, 1, 0, 1])}


def test_a_step_reads_nothing(model: PatchClassifier) -> None:
    with NoReading():
        loss = model.training_step(batch(), 0)
        loss.backward()
        StepLoss().on_train_batch_end(model.trainer, model, {"loss": loss}, None, 0)
    assert loss.isfinite()
    assert any(one.grad is not None and one.grad.abs().sum() > 0 for one in model.parameters())


def test_a_tensor_s_value_counts_as_reading() -> None:
    with pytest.raises(AssertionError, match="waits for the device"), NoReading():
        torch.ones(1).item()


def test_dropout_belongs_to_seed_epoch_and_step(model: PatchClassifier) -> None:
    def loss(step: int, epoch: int = 0) -> float:
        model.trainer.current_epoch = epoch
        return float(model.training_step(batch(), step).detach())

    model.network.freeze(False, keep_statistics=True)
    first = loss(3)
    assert loss(4) != first
    assert loss(3, epoch=1) != first
    assert loss(3) == first
