"""Resuming: equal to the bit, whenever a run was killed, and whichever version started it."""

import csv
import pickle
import shutil
from pathlib import Path

import pytest
import torch

from pcam.config.schema import TrainConfig
from pcam.errors import RunError
from pcam.models.classifier import PatchClassifier
from pcam.runs.checkpoints import previous_checkpoint
from pcam.runs.files import read_metrics
from pcam.runs.folder import last_checkpoint, read_config
from pcam.training.fit import train as fit
from tests.run import killed_after, train
from tests.training.runs import STUDY, equal_tensors, read_checkpoint, read_state

FIXTURE = Path(__file__).parent.parent / "fixtures" / "run-0.1.0"
FROZEN = [
    "finetune=frozen_then_unfrozen",
    "finetune.unfreeze_epoch=2",
    "trainer.max_epochs=4",
    "model.head.dropout=0.5",
    "aug=paper",
    "scheduler.warmup=0.2",
]
COMPARED = ("epoch", "train/loss_epoch", "valid/auroc", "lr/head", "lr/backbone")
CASES = [
    (scheduler, epoch)
    for scheduler in ("none", "cosine", "onecycle", "plateau")
    for epoch in (1, 2, 3)  # before the unfreeze, in its first epoch, after it
]


def study(scheduler: str) -> list[str]:
    words = [*STUDY, *FROZEN, f"scheduler={scheduler}"]
    if scheduler == "plateau":
        words += ["scheduler.patience=0", "scheduler.factor=0.5"]
    return words


@pytest.fixture(scope="module")
def whole_runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The uninterrupted run of each scheduler, trained when it is first asked for."""

    class Runs(dict[str, Path]):
        def __missing__(self, scheduler: str) -> Path:
            folder = tmp_path_factory.mktemp("whole")
            train(folder, *study(scheduler))
            self[scheduler] = folder
            return folder

    return Runs()


@pytest.mark.slow
@pytest.mark.parametrize(("scheduler", "epoch"), CASES)
def test_trap_frozen_then_unfrozen_resumes_to_the_same_bits(
    scheduler: str,
    epoch: int,
    whole_runs: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = whole_runs[scheduler]
    killed_after(monkeypatch, epoch, tmp_path, *study(scheduler))
    train(tmp_path, *study(scheduler), resume=True)
    assert all(equal_tensors(read_state(tmp_path), read_state(whole)))
    rows, expected = (read_metrics(folder / "metrics.csv") for folder in (tmp_path, whole))
    for row, other in zip(rows, expected, strict=True):
        assert [row[key] for key in COMPARED] == [other[key] for key in COMPARED]


def test_trap_the_backbone_is_frozen_until_its_epoch_and_moves_from_then_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, torch.Tensor]] = []

    def copy_backbone(self: PatchClassifier) -> None:
        state = self.network.backbone.state_dict()
        seen.append({key: value.clone() for key, value in state.items()})

    monkeypatch.setattr(PatchClassifier, "on_fit_start", copy_backbone)
    monkeypatch.setattr(PatchClassifier, "on_train_epoch_end", copy_backbone)
    train(tmp_path, *STUDY, *FROZEN)
    initial, *epochs = seen
    assert all(equal_tensors(initial, epochs[0]))
    assert all(equal_tensors(initial, epochs[1]))
    assert not any(equal_tensors(initial, epochs[2]))
    rows = read_metrics(tmp_path / "metrics.csv")
    assert [float(row["lr/backbone"]) == 0 for row in rows] == [True, True, False, False]


@pytest.mark.slow
def test_a_moving_average_resumes_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*STUDY, "trainer.max_epochs=2", "trainer.ema=0.9"]
    train(tmp_path / "whole", *words)
    killed_after(monkeypatch, 1, tmp_path / "killed", *words)
    train(tmp_path / "killed", *words, resume=True)
    assert all(equal_tensors(read_state(tmp_path / "killed"), read_state(tmp_path / "whole")))


@pytest.mark.slow
def test_patches_on_the_device_resume_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*STUDY, "trainer.max_epochs=2", "aug=paper", "aug.batched=true", "crop=random"]
    words += ["crop.size=64", "data.resident=true"]
    train(tmp_path / "whole", *words)
    killed_after(monkeypatch, 1, tmp_path / "killed", *words)
    train(tmp_path / "killed", *words, resume=True)
    assert all(equal_tensors(read_state(tmp_path / "killed"), read_state(tmp_path / "whole")))


def longer(folder: Path, epochs: int) -> TrainConfig:
    config = read_config(folder)
    trainer = config.trainer.model_copy(update={"max_epochs": epochs})
    return config.model_copy(update={"trainer": trainer})


@pytest.fixture(scope="module")
def short_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("short")
    train(folder, *STUDY, "trainer.max_epochs=2")
    return folder


def test_a_run_that_moved_and_is_longer_than_planned_keeps_its_best(
    short_run: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "moved"
    shutil.copytree(short_run, folder)
    before = [row["valid/auroc"] for row in read_metrics(folder / "metrics.csv")]
    summary = fit(longer(folder, 3), folder, resume=True)
    rows = read_metrics(folder / "metrics.csv")
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert [row["valid/auroc"] for row in rows[:2]] == before
    assert summary["epochs"] == 3
    values = [float(row["valid/auroc"]) for row in rows]
    assert summary["best_epoch"] == values.index(max(values))
    states = read_checkpoint(folder)["callbacks"].values()
    monitored = next(state for state in states if state.get("monitor") == "valid/auroc")
    assert float(monitored["best_model_score"]) == pytest.approx(max(values), abs=1e-5)
    assert Path(monitored["best_model_path"]).parent == folder / "checkpoints"
    assert read_config(folder).trainer.max_epochs == 3  # so that it can be resumed as it is


def test_a_resumed_run_keeps_the_implementation_of_its_optimizer(
    short_run: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "older"  # as of a version whose optimizers were not fused
    shutil.copytree(short_run, folder)
    checkpoint = read_checkpoint(folder)
    for group in checkpoint["optimizer_states"][0]["param_groups"]:
        group["fused"] = None
    torch.save(checkpoint, last_checkpoint(folder))
    fit(longer(folder, 3), folder, resume=True)
    groups = read_checkpoint(folder)["optimizer_states"][0]["param_groups"]
    assert [group["fused"] for group in groups] == [None, None]


def test_fewer_epochs_than_are_trained_are_refused(short_run: Path) -> None:
    with pytest.raises(RunError, match="has been trained for 2 epochs already"):
        fit(longer(short_run, 1), short_run, resume=True)


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "code"])
def test_a_damaged_checkpoint_is_one_line(damage: str, short_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(short_run, folder)
    previous_checkpoint(folder).unlink()
    last = last_checkpoint(folder)
    contents = {
        "empty": b"",
        "text": b"no checkpoint",
        "cut": last.read_bytes()[:5000],
        "code": pickle.dumps(Path),
    }
    last.write_bytes(contents[damage])
    message = r"last\.ckpt cannot be read safely as a checkpoint"
    with pytest.raises(RunError, match=message) as caught:
        train(folder, *STUDY, resume=True)
    assert "\n" not in str(caught.value)


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        rows = list(csv.DictReader(file))
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def test_a_checkpoint_of_version_0_1_0_opens() -> None:
    model = PatchClassifier.load(last_checkpoint(FIXTURE))
    assert model.describe_weights() == "random (asked for)"
    assert model(torch.zeros(2, 3, 96, 96, dtype=torch.uint8)).shape == (2,)
