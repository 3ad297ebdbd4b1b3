"""A step has the mean gradient of the batches that it accumulates, whatever their number."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pcam.errors import ConfigError
from pcam.models.accumulation import accumulated_batches, loss_factor
from pcam.models.classifier import PatchClassifier
from tests.run import composed, train
from tests.training.runs import STUDY, read_state

# Three batches an epoch; nothing is drawn, and no weight or statistic changes.
THREE = [
    *STUDY,
    *("data.train=48", "trainer.max_epochs=1", "aug=none", "optimizer=sgd"),
    *("finetune=frozen", "optimizer.head_lr=0"),
]
HeadGradients = Callable[..., list[torch.Tensor]]


@pytest.fixture
def head_gradients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HeadGradients:
    """Train as words say; return the gradient of the head's weights at each step."""

    def run(*words: str) -> list[torch.Tensor]:
        found: list[torch.Tensor] = []

        def keep(self: PatchClassifier, optimizer: Any) -> None:
            found.append(self.network.head[-1].weight.grad.clone())

        monkeypatch.setattr(PatchClassifier, "on_before_optimizer_step", keep)
        train(tmp_path / "-".join(words), *THREE, *words)
        return found

    return run


def test_the_last_step_of_an_epoch_has_the_rest_of_the_batches() -> None:
    assert [accumulated_batches(batch, 4, 6) for batch in range(6)] == [4, 4, 4, 4, 2, 2]
    assert [loss_factor(batch, 4, 6) for batch in range(6)] == [1, 1, 1, 1, 2, 2]
    assert [loss_factor(batch, 1, 3) for batch in range(3)] == [1, 1, 1]


@pytest.mark.slow
def test_each_step_has_the_mean_gradient_of_its_batches(head_gradients: HeadGradients) -> None:
    first, second, third = head_gradients("trainer.accumulate_grad_batches=1")
    both, rest = head_gradients("trainer.accumulate_grad_batches=2")
    torch.testing.assert_close(both, (first + second) / 2)
    torch.testing.assert_close(rest, third)
    (whole,) = head_gradients("trainer.accumulate_grad_batches=3")
    torch.testing.assert_close(whole, (first + second + third) / 3)


def test_fewer_batches_than_a_step_accumulates_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        train(tmp_path, *THREE, "trainer.accumulate_grad_batches=4")
    assert str(caught.value) == (
        "trainer.accumulate_grad_batches=4 must be at most 3, the batches of an epoch (and "
        "process); lower it or data.batch_size"
    )


def test_limited_batches_are_the_epoch_s(head_gradients: HeadGradients) -> None:
    words = ["trainer.limit_train_batches=1", "trainer.accumulate_grad_batches=1"]
    assert len(head_gradients(*words)) == 1
    with pytest.raises(ConfigError, match="must be at most 1, the batches of an epoch"):
        head_gradients(words[0], "trainer.accumulate_grad_batches=2")


@pytest.mark.slow
@pytest.mark.usefixtures("forked_group")
def test_two_processes_accumulate_the_same_means_as_one(tmp_path: Path) -> None:
    from pcam.runs.folder import start_run
    from pcam.training.fit import train as fit

    words = [*THREE, "optimizer.head_lr=0.5", "trainer.accumulate_grad_batches=2"]
    train(tmp_path / "one", *words)
    config = composed(*words, "data.batch_size=8", "trainer=ddp", "trainer.accelerator=cpu")
    start_run(tmp_path / "two", config)
    fit(config, tmp_path / "two", resume=False)
    one, two = (read_state(tmp_path / name, "network.head.") for name in ("one", "two"))
    for key, value in one.items():
        torch.testing.assert_close(two[key], value)
