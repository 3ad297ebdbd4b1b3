"""Checkpoints inside of an epoch: a run that goes on from one equals the uninterrupted run."""

import os
import signal
from pathlib import Path

import pytest
import torch

from pcam.errors import NotFiniteError, RunError
from pcam.models.classifier import PatchClassifier
from pcam.runs.files import read_metrics
from pcam.runs.folder import read_config
from pcam.training.fit import train as fit
from pcam.training.step_checkpoints import Action, EpochPosition, StepCheckpoints
from tests.run import Killed, killed_after, train
from tests.training.runs import (
    STUDY,
    Tensors,
    equal_tensors,
    read_checkpoint,
    read_state,
    seen_patches,
)

WORDS = [*STUDY, "trainer.max_epochs=3", "model.head.dropout=0.5", "scheduler.warmup=0.2"]
SHORT = [*STUDY, "trainer.max_epochs=2", "trainer.ema=0.9"]
EVERY_STEP = "trainer.checkpoint_steps=1"


def rows(folder: Path) -> list[dict[str, str]]:
    """Return metrics.csv without the column of seconds."""
    lines = read_metrics(folder / "metrics.csv")
    return [{key: value for key, value in row.items() if key != "seconds"} for row in lines]


def predictions(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((folder / "predictions").iterdir())]


def assert_equal_runs(one: Path, other: Path) -> None:
    for name in ("last", "best"):
        assert all(equal_tensors(read_state(one, name=name), read_state(other, name=name)))
    assert all(equal_tensors(optimizer_state(one), optimizer_state(other)))
    assert rows(one) == rows(other)
    assert predictions(one) == predictions(other)


def optimizer_state(folder: Path) -> Tensors:
    state = read_checkpoint(folder)["optimizer_states"][0]["state"]
    found = {}
    for number, values in state.items():
        tensors = {name: value for name, value in values.items() if torch.is_tensor(value)}
        found |= {f"{number}.{name}": value for name, value in tensors.items()}
    return found


def seen_batches(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Return a list that takes epoch and number of each batch that is trained."""
    seen: list[tuple[int, int]] = []
    step = PatchClassifier.training_step

    def recorded(
        self: PatchClassifier, batch: dict[str, torch.Tensor], batch_idx: int
    ) -> torch.Tensor:
        seen.append((self.current_epoch, batch_idx))
        return step(self, batch, batch_idx)

    monkeypatch.setattr(PatchClassifier, "training_step", recorded)
    return seen


@pytest.mark.slow
def test_a_run_that_is_killed_in_mid_epoch_goes_on_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*WORDS, "finetune=frozen_then_unfrozen", "finetune.unfreeze_epoch=1"]
    words += ["data.sampler=balanced", "aug.mixup=0.4"]
    train(tmp_path / "whole", *words)
    killed_after(monkeypatch, 1, tmp_path / "killed", *words, EVERY_STEP)
    assert EpochPosition.read(read_checkpoint(tmp_path / "killed")) == EpochPosition(2, 6, 1, 1)
    seen = seen_batches(monkeypatch)
    train(tmp_path / "killed", *words, resume=True)
    assert seen == [(1, batch) for batch in range(2, 6)] + [(2, batch) for batch in range(6)]
    assert_equal_runs(tmp_path / "killed", tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("patches", [48, 150])
def test_an_epoch_of_fewer_or_more_patches_goes_on_in_its_middle(
    patches: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*WORDS, f"data.patches_per_epoch={patches}"]
    train(tmp_path / "whole", *words)
    killed_after(monkeypatch, 1, tmp_path / "killed", *words, EVERY_STEP)
    batches = patches // 16
    assert EpochPosition.read(read_checkpoint(tmp_path / "killed")) == EpochPosition(
        2, batches, 1, 1
    )
    train(tmp_path / "killed", *words, resume=True)
    assert_equal_runs(tmp_path / "killed", tmp_path / "whole")


def test_a_checkpoint_may_follow_a_look_at_the_losses_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pcam.training.finite.STEPS_BETWEEN_CHECKS", 1)
    train(tmp_path, *STUDY, "trainer.max_epochs=1", EVERY_STEP)
    assert EpochPosition.read(read_checkpoint(tmp_path)) is None  # the epoch's own checkpoint


def test_no_checkpoint_is_written_of_weights_that_are_not_finite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = PatchClassifier.training_step

    def diverging(
        self: PatchClassifier, batch: dict[str, torch.Tensor], batch_idx: int
    ) -> torch.Tensor:
        loss = step(self, batch, batch_idx)
        return loss * torch.nan if batch_idx == 3 else loss

    monkeypatch.setattr(PatchClassifier, "training_step", diverging)
    with pytest.raises(NotFiniteError, match="step 4: the loss is nan .* of batch 3 of epoch 1"):
        train(tmp_path, *STUDY, "trainer.max_epochs=1", EVERY_STEP)


WORKERS = [(count, epoch) for count in (0, 1, 2) for epoch in (1, 2)]


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "epoch"), WORKERS)
def test_trap_workers_read_the_epoch_that_is_resumed(
    workers: int, epoch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*STUDY, "trainer.max_epochs=3", "trainer.checkpoint_minutes=null", "crop=random"]
    words += ["crop.size=64", f"data.num_workers={workers}"]
    seen = seen_patches(monkeypatch)
    train(tmp_path / "whole", *words)
    expected = seen[:]
    killed_after(monkeypatch, epoch, tmp_path / "killed", *words)
    seen.clear()
    train(tmp_path / "killed", *words, resume=True)
    assert seen == expected[6 * epoch :]
    assert_equal_runs(tmp_path / "killed", tmp_path / "whole")


ENDED = [*STUDY, "trainer.max_epochs=6", "trainer.early_stopping=1", "attribution.every=1"]
FLAT = ["optimizer.lr=0", "optimizer.head_lr=0", "finetune.batchnorm=kept"]  # no epoch is better


@pytest.fixture
def ended_run(tmp_path: Path) -> Path:
    """Return a run that early stopping has ended after 2 of 6 epochs."""
    train(tmp_path, *ENDED, *FLAT)
    assert [row["epoch"] for row in rows(tmp_path)] == ["0", "1"]
    return tmp_path


@pytest.mark.slow
def test_a_run_that_was_ended_early_does_not_train_on_and_keeps_its_summary(
    ended_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = (ended_run / "summary.json").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("pcam.training.fit.score", killed)
        with pytest.raises(Killed):
            train(ended_run, *ENDED, *FLAT, resume=True)
    assert (ended_run / "summary.json").read_bytes() == summary
    again = train(ended_run, *ENDED, *FLAT, resume=True)
    assert again["epochs"] == 2
    assert [row["epoch"] for row in rows(ended_run)] == ["0", "1"]


def killed(*_: object) -> None:
    raise Killed


@pytest.mark.slow
def test_resuming_after_the_last_epoch_draws_no_maps_again(tmp_path: Path) -> None:
    words = [*STUDY, "trainer.max_epochs=1", "attribution.every=1"]
    train(tmp_path, *words)
    scored = predictions(tmp_path)
    maps = sorted((tmp_path / "figures" / "attribution").iterdir())
    drawn = [path.stat().st_mtime_ns for path in maps]
    train(tmp_path, *words, resume=True)
    assert predictions(tmp_path) == scored
    assert [path.stat().st_mtime_ns for path in maps] == drawn


def test_the_rest_of_an_epoch_needs_the_same_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_after(monkeypatch, 0, tmp_path, *WORDS, EVERY_STEP)
    config = read_config(tmp_path)
    trainer = config.trainer.model_copy(update={"accumulate_grad_batches": 2})
    message = (
        "in the middle of epoch 1, .* only be completed with trainer.accumulate_grad_batches=1"
    )
    with pytest.raises(RunError, match=message):
        fit(config.model_copy(update={"trainer": trainer}), tmp_path, resume=True)


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (signal.SIGTERM, 75),
        pytest.param(signal.SIGUSR1, 75, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow),
    ],
)
def test_a_signal_saves_a_checkpoint_after_the_step_and_has_a_status(
    number: signal.Signals,
    status: int,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    step = PatchClassifier.training_step

    def signalled(
        self: PatchClassifier, batch: dict[str, torch.Tensor], batch_idx: int
    ) -> torch.Tensor:
        if (self.current_epoch, batch_idx) == (1, 3):
            os.kill(os.getpid(), number)
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(PatchClassifier, "training_step", signalled)
        with pytest.raises(SystemExit) as ended:
            train(tmp_path, *SHORT)
    assert ended.value.code == status
    assert f"Resume with: python -m pcam.train resume={tmp_path}" in caplog.text
    assert EpochPosition.read(read_checkpoint(tmp_path)) == EpochPosition(4, 6, 1, 1)
    train(tmp_path, *SHORT, resume=True)
    assert_equal_runs(tmp_path, whole)


@pytest.mark.parametrize(("agreed", "status"), [(Action.STOP, 75), (Action.INTERRUPT, 130)])
def test_all_processes_end_with_the_status_of_the_one_that_got_the_signal(
    agreed: Action,
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(StepCheckpoints, "_agree", lambda self, trainer, wanted: agreed)
    with pytest.raises(SystemExit) as ended:
        train(tmp_path, *SHORT)
    assert ended.value.code == status
    assert f"python -m pcam.train resume={tmp_path}" in caplog.text
    assert ("Ended by a signal to another process." in caplog.text) == (status == 75)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    train(folder, *SHORT)
    return folder
