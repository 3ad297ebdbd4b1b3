"""A device whose memory does not hold a batch: the batch is split, and the training goes on."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pcam.data.sampling import PatchOrder
from pcam.errors import ConfigError, RunError
from pcam.models.classifier import PatchClassifier
from pcam.runs.files import read_json
from pcam.runs.folder import read_config
from pcam.training.resuming import check_checkpoint
from pcam.training.splitting import BatchSplit
from pcam.training.step_checkpoints import EpochPosition
from tests.run import killed_after, train
from tests.training.runs import STUDY, equal_tensors, read_checkpoint, read_state, seen_patches

# 96 patches: 6 whole batches of 16, of which 4 and 2 are accumulated
WORDS = [*STUDY, "data.train=96", "data.batch_size=16", "trainer.max_epochs=2"]
WORDS += ["trainer.accumulate_grad_batches=4", "model.head.dropout=0.5", "scheduler.warmup=0.2"]
HALVED = [*WORDS, "data.batch_size=8", "trainer.accumulate_grad_batches=8"]
Holds = Callable[[int], int]  # an epoch to the most patches that the device holds in it


def limit_memory(monkeypatch: pytest.MonkeyPatch, holds: Holds, first: int = 0) -> list[int]:
    """Simulate a device; return a list that takes the size of each batch that it was given.

    Args:
        monkeypatch: pytest's.
        holds: its size.
        first: batch of an epoch, from 0, before which everything fits.
    """
    sizes: list[int] = []
    step = PatchClassifier.training_step

    def limited(
        self: PatchClassifier, batch: dict[str, torch.Tensor], batch_idx: int
    ) -> torch.Tensor:
        size = len(batch["label"])
        sizes.append(size)
        if size > holds(self.current_epoch) and batch_idx >= first:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return step(self, batch, batch_idx)

    monkeypatch.setattr(PatchClassifier, "training_step", limited)
    return sizes


def indices_of(order: PatchOrder) -> list[int]:
    return [int(index) for request in order for index in request.indices]


def flat(batches: list[list[int]]) -> list[int]:
    return [index for batch in batches for index in batch]


def assert_same_weights(one: Path, other: Path) -> None:
    for name in ("last", "best"):
        assert all(equal_tensors(read_state(one, name=name), read_state(other, name=name)))


@pytest.mark.slow
def test_a_first_step_without_memory_is_taken_in_halves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    train(tmp_path / "halved", *HALVED)
    sizes = limit_memory(monkeypatch, lambda epoch: 8)
    with caplog.at_level(logging.WARNING, "pcam"):
        summary = train(tmp_path / "run", *WORDS)
    assert sizes == [16] + [8] * 24
    assert_same_weights(tmp_path / "run", tmp_path / "halved")
    (line,) = (record.getMessage() for record in caplog.records if "memory" in record.getMessage())
    assert "going on from the start with 8 patches at a time and 8 batches per step" in line
    assert summary["batch"] == {
        "size": 8,
        "accumulated": 8,
        "asked_size": 16,
        "asked_accumulated": 4,
        "changes": [{"epoch": 0, "parts": 2}],
    }
    config = read_config(tmp_path / "run")
    assert (config.data.batch_size, config.trainer.accumulate_grad_batches) == (16, 4)
    assert read_checkpoint(tmp_path / "run")["global_step"] == 4  # two in each epoch


@pytest.mark.slow
def test_a_later_epoch_without_memory_goes_on_from_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sizes = limit_memory(monkeypatch, lambda epoch: 16 if epoch == 0 else 4)
    with caplog.at_level(logging.WARNING, "pcam"):
        summary = train(tmp_path, *WORDS)
    assert sizes == [16] * 7 + [8] + [4] * 24
    assert "going on from the last checkpoint with 8 patches" in caplog.text
    assert summary["batch"]["changes"] == [{"epoch": 1, "parts": 4}]
    assert [summary["epochs"], read_checkpoint(tmp_path)["global_step"]] == [2, 4]


@pytest.mark.slow
def test_trap_a_checkpoint_inside_of_an_epoch_counts_whole_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = seen_patches(monkeypatch)
    train(tmp_path / "whole", *WORDS)
    expected = flat(seen[6:])
    seen.clear()
    words = [*WORDS, "trainer.checkpoint_steps=1"]
    limit_memory(monkeypatch, lambda epoch: 16 if epoch == 0 else 8, first=4)
    summary = train(tmp_path / "run", *words)
    assert flat(seen[6:]) == expected  # each patch of the second epoch once, in order
    assert [len(batch) for batch in seen[6:]] == [16] * 4 + [8] * 4
    assert summary["epochs"] == 2
    for folder in ("whole", "run"):
        assert read_checkpoint(tmp_path / folder)["global_step"] == 4


@pytest.mark.slow
def test_a_resumed_run_starts_with_the_parts_of_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*WORDS, "trainer.checkpoint_steps=1"]
    with monkeypatch.context() as patch:
        limit_memory(patch, lambda epoch: 8)
        killed_after(patch, 1, tmp_path / "run", *words)
    with monkeypatch.context() as patch:
        limit_memory(patch, lambda epoch: 8)
        train(tmp_path / "whole", *words)
    sizes = limit_memory(monkeypatch, lambda epoch: 16)
    summary = train(tmp_path / "run", *words, resume=True)
    assert set(sizes) == {8}
    assert summary["batch"]["changes"] == [{"epoch": 0, "parts": 2}]
    assert_same_weights(tmp_path / "run", tmp_path / "whole")


@pytest.mark.parametrize(
    ("words", "smallest"),
    [(["data.batch_size=12"], 1), (["data.batch_size=12", "finetune.batchnorm=moving"], 2)],
)
def test_a_batch_that_cannot_be_split_further_is_one_line(
    words: list[str], smallest: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = limit_memory(monkeypatch, lambda epoch: 0)
    network = ["model.name=test_resnet", "model.input_size=64", "finetune.batchnorm=kept"]
    with pytest.raises(ConfigError, match="the GPU has no memory left: lower data.batch_size"):
        train(tmp_path, *STUDY, *network, *words)
    expected = [12, 6, 3] if smallest == 2 else [12, 6, 3, 1]
    assert sizes == expected


def test_an_epoch_without_a_whole_batch_is_not_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = limit_memory(monkeypatch, lambda epoch: 0)
    with pytest.raises(ConfigError, match="no memory left"):
        train(tmp_path, *STUDY, "data.train=20", "data.batch_size=64")
    assert sizes == [20]


def test_a_training_can_be_stopped_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = limit_memory(monkeypatch, lambda epoch: 8)
    with pytest.raises(ConfigError, match="no memory left"):
        train(tmp_path, *WORDS, "trainer.out_of_memory=stop")
    assert sizes == [16]


@pytest.mark.parametrize(("limit", "batches"), [("4", 8), ("0.5", 6)])
@pytest.mark.slow
def test_a_limit_of_the_epoch_counts_whole_batches(
    limit: str, batches: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = limit_memory(monkeypatch, lambda epoch: 8)
    words = [f"trainer.limit_train_batches={limit}", "trainer.accumulate_grad_batches=1"]
    train(tmp_path, *WORDS, *words, "trainer.max_epochs=1")
    assert sizes == [16] + [8] * batches


def test_parts_leave_out_what_whole_batches_leave_out() -> None:
    whole = PatchOrder(50, 16, 0, True)
    parts = PatchOrder(50, 4, 0, True, parts=4)
    assert len(parts) == 4 * len(whole)
    assert indices_of(whole) == indices_of(parts)


def test_parts_of_a_checkpoint_that_cannot_be_are_refused(tmp_path: Path) -> None:
    train(tmp_path, *WORDS, "trainer.max_epochs=1")
    path = tmp_path / "checkpoints" / "last.ckpt"
    checkpoint = read_checkpoint(tmp_path)
    for value in ([[0, 0]], [[0, -2]], [[0, "2"]], [[0, 3]]):
        torch.save({**checkpoint, "batch_parts": value}, path)
        with pytest.raises(RunError, match="cannot be read safely as a checkpoint"):
            check_checkpoint(tmp_path, 3, batch_size=16)


def test_a_position_in_an_epoch_is_that_of_the_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_memory(monkeypatch, lambda epoch: 8)
    killed_after(monkeypatch, 0, tmp_path, *WORDS[:-3], "trainer.checkpoint_steps=1")
    checkpoint = read_checkpoint(tmp_path)
    assert BatchSplit.read(checkpoint) == BatchSplit(2, ((0, 2),))
    assert EpochPosition.read(checkpoint) == EpochPosition(2, 12, 1, 2)
    assert read_json(tmp_path / "summary.json") is None


PLUGIN = """
import torch

from pcam.models.classifier import PatchClassifier

step = PatchClassifier.training_step


def limited(self, batch, batch_idx):
    if len(batch["label"]) > 8 and self.global_rank == 1:
        raise torch.OutOfMemoryError("CUDA out of memory.")
    return step(self, batch, batch_idx)


PatchClassifier.training_step = limited
"""


@pytest.mark.slow
@pytest.mark.usefixtures("forked_group")
def test_all_processes_start_again_if_the_memory_of_one_device_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "small_device.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(PatchClassifier, "training_step", PatchClassifier.training_step)
    ddp = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "data.train=192"]
    train(tmp_path / "halved", *HALVED, *ddp)
    summary = train(tmp_path / "run", *WORDS, *ddp, "plugins=[small_device]")
    assert [summary["processes"], summary["batch"]["size"]] == [2, 8]
    assert_same_weights(tmp_path / "run", tmp_path / "halved")
