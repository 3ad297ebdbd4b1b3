"""What is not finite ends a training at the step, and the last good checkpoint is kept."""

import csv
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from pcam.data.datamodule import PatchDataModule
from pcam.errors import NotFiniteError
from pcam.models.classifier import PatchClassifier
from pcam.training import finite
from pcam.training.finite import FiniteSteps, describe_step, ensure_finite_weights
from tests.conftest import Terminal
from tests.run import train
from tests.training.runs import STUDY, read_checkpoint, read_state

DIVERGING = ["optimizer.lr=1e30", "optimizer.head_lr=1e30"]


class FakeData(PatchDataModule):
    """Eight patches, two a batch."""

    def __init__(self) -> None:
        self.sources = {"train": SimpleNamespace(ids=list("abcdefgh"))}

    def training_batch(self, batch: int) -> np.ndarray:
        return np.array([2 * batch, 2 * batch + 1])


def fake_trainer(scaler: object = None, is_last_batch: bool = False) -> SimpleNamespace:
    return SimpleNamespace(
        current_epoch=1,
        num_training_batches=4,
        accumulate_grad_batches=1,
        is_last_batch=is_last_batch,
        precision="32-true",
        precision_plugin=SimpleNamespace(scaler=scaler),
        world_size=1,
        datamodule=FakeData(),
    )


class NothingRead(TorchDispatchMode):
    """Fails where a tensor becomes a number, which would wait for a GPU."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert func is not torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def test_a_step_is_found_when_the_next_look_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finite, "STEPS_BETWEEN_CHECKS", 3)
    trainer, model, watch = fake_trainer(), nn.Linear(1, 1), FiniteSteps()
    with NothingRead():
        for batch, loss in enumerate((0.5, math.nan)):
            model(torch.ones(1, 1)).sum().backward()
            watch.on_before_optimizer_step(trainer, model, None)
            watch.on_train_batch_end(trainer, model, {"loss": torch.tensor(loss)}, None, batch)
    with pytest.raises(NotFiniteError) as caught:
        watch.on_train_batch_end(trainer, model, {"loss": torch.tensor(0.4)}, None, 2)
    assert str(caught.value) == (
        "epoch 2, step 2: the loss is nan on 2 patches (c, d); before it loss 0.5, gradient norm "
        "1.414"
    )


def test_an_infinite_gradient_is_left_to_float16_s_loss_scaling() -> None:
    line = describe_step(fake_trainer(), 3, 0.25, math.inf)
    assert line == "epoch 2, step 4: the gradient's norm is inf (loss 0.25) on 2 patches (g, h)"
    scaled = fake_trainer(scaler=object())
    assert describe_step(scaled, 3, 0.25, math.inf) is None
    assert describe_step(scaled, 3, math.inf, 1.0) is not None


def test_weights_that_are_not_finite_are_named() -> None:
    model = nn.Linear(2, 1)
    ensure_finite_weights(fake_trainer(), model)
    model.bias.data[0] = math.nan
    with pytest.raises(
        NotFiniteError, match=r"epoch 2: weights that are not finite: 1 of 2 tensors \(bias\)"
    ):
        ensure_finite_weights(fake_trainer(), model)


def test_a_network_of_nan_is_noticed_at_the_first_scoring(
    tmp_path: Path, terminal: Terminal
) -> None:
    words = ["data.train=16", "data.valid=8", "data.test=8", "trainer.max_epochs=1", *DIVERGING]
    answer = terminal("train", "scale=smoke", "trainer=cpu", "hydra.run.dir=run", *words)
    (line,) = answer.faults
    assert line.startswith("epoch 1, valid: the network's output is not finite for 8 patches (")
    assert "; lower optimizer.lr, optimizer.head_lr or optimizer.weight_decay, or set " in line
    again = f"hydra.run.dir={tmp_path / 'run'} resume=auto"
    assert line.endswith(f"no checkpoint was written; start it again with {again}")
    assert not (tmp_path / "run").exists()


def test_the_step_its_patches_and_the_checkpoint_before_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[int]] = []
    step = PatchClassifier.training_step

    def failing(self: PatchClassifier, batch: dict[str, Any], batch_idx: int) -> torch.Tensor:
        loss = step(self, batch, batch_idx)
        if (self.current_epoch, batch_idx) != (1, 2):
            return loss
        seen.append(batch["index"].tolist())
        return loss * math.nan

    monkeypatch.setattr(PatchClassifier, "training_step", failing)
    with pytest.raises(NotFiniteError) as caught:
        train(tmp_path, *STUDY, "trainer.max_epochs=3")
    line = str(caught.value)
    first = ", ".join(f"train-{index:06d}" for index in seen[0][:5])
    assert f"epoch 2, step 3: the loss is nan on 16 patches ({first}, …); before it loss " in line
    last = tmp_path / "checkpoints" / "last.ckpt"
    assert f"{last} of epoch 1 is kept: python -m pcam.train resume={tmp_path}" in line
    assert read_checkpoint(tmp_path)["epoch"] == 0
    assert all(value.isfinite().all() for value in read_state(tmp_path).values())
    rows = list(csv.DictReader((tmp_path / "metrics.csv").open()))
    assert len(rows) == 1


@pytest.mark.slow
def test_a_checkpoint_of_nan_is_refused_when_it_is_read(tmp_path: Path, terminal: Terminal) -> None:
    folder = tmp_path / "run"
    train(folder, *STUDY, "trainer.max_epochs=1")
    for name in ("last", "best"):
        state = read_checkpoint(folder, name)
        state["state_dict"]["network.head.0.bias"][0] = math.nan
        torch.save(state, folder / "checkpoints" / f"{name}.ckpt")
    expected = "holds weights that are not finite: 1 of "
    for command, words in (
        ("evaluate", [f"run={folder}"]),
        ("predict", [f"run={folder}", "split=test"]),
        ("attribute", [f"run={folder}"]),
        ("bias", [f"run={folder}"]),
        ("train", [f"resume={folder}", "trainer.max_epochs=2"]),
    ):
        (line,) = terminal(command, *words).faults
        assert expected in line, command
        assert "(network.head.0.bias)" in line
    weights = folder / "checkpoints" / "best.ckpt"
    answer = terminal("train", *STUDY, "trainer=cpu", f"model.weights={weights}")
    assert answer.status == 0  # the head is not read
