"""Data that changes while a run trains, or before it is resumed."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest
import torch

from pcam.errors import DataError
from pcam.models.classifier import PatchClassifier
from pcam.runs.folder import last_checkpoint, read_config
from pcam.training.fit import train as fit
from tests.conftest import STEM, TINY, Terminal, write_folder, write_kaggle, write_pcam
from tests.run import train
from tests.training.runs import read_checkpoint

SIZES = {"train": 32, "valid": 16, "test": 16}
WORDS = [*TINY, "data.batch_size=16", "trainer.max_epochs=2", "trainer=cpu", "aug=none"]
WORDS += ["data.duplicates=keep", "trainer.progress=false"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pcam(tmp_path_factory.mktemp("files"), SIZES)


@pytest.fixture(scope="module")
def finished(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    train(folder, *WORDS, "data=pcam", f"data.root={files}", "trainer.max_epochs=1")
    return folder


@pytest.fixture
def root(files: Path, tmp_path: Path) -> Path:
    return shutil.copytree(files, tmp_path / "data")


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished, tmp_path / "run")


def when_training(
    monkeypatch: pytest.MonkeyPatch, epoch: int, batch: int, action: Callable[[], object]
) -> None:
    """Do something once, before the training step of a batch."""
    step = PatchClassifier.training_step
    done = []

    def acting(self: PatchClassifier, content: object, batch_idx: int) -> object:
        if (self.current_epoch, batch_idx) == (epoch, batch) and not done:
            done.append(action())
        return step(self, content, batch_idx)

    monkeypatch.setattr(PatchClassifier, "training_step", acting)


def change_pixels(path: Path) -> None:
    """Change a file's pixels and keep its size."""
    with h5py.File(path, "r+") as file:
        file["x"][-1] = 255 - file["x"][-1]


def patches(root: Path, split: str) -> Path:
    return root / f"{STEM}{split}_x.h5"


@pytest.mark.parametrize(
    ("split", "damage", "said"),
    [
        ("train", lambda path: os.truncate(path, 1000), "changed .*: it had .* and has 1,000 now"),
        ("valid", lambda path: path.unlink(), "was deleted while it was in use"),
        ("test", change_pixels, "changed while it was in use: its time was 20.* and is 20.* now"),
    ],
    ids=["cut", "deleted", "changed"],
)
def test_a_file_that_changes_ends_the_training_in_one_line(
    split: str,
    damage: Callable[[Path], object],
    said: str,
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bad = patches(root, split)
    when_training(monkeypatch, 1, 1, lambda: damage(bad))
    folder = tmp_path / "run"
    with pytest.raises(DataError) as caught:
        train(folder, *WORDS, "data=pcam", f"data.root={root}")
    kept = f"{last_checkpoint(folder)} of epoch 1 is kept: python -m pcam.train resume={folder}"
    (line,) = caught.value.faults
    assert line.endswith(f"; put it back as it was; {kept}")
    assert re.match(f"{bad} {said}", line)
    assert not (folder / "summary.json").exists()


def test_no_checkpoint_is_of_steps_on_changed_data(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    when_training(monkeypatch, 0, 1, lambda: change_pixels(patches(root, "train")))
    words = [*WORDS, "data=pcam", f"data.root={root}", "data.batch_size=8"]
    words.append("trainer.checkpoint_steps=1")
    with pytest.raises(DataError, match="_x.h5 changed .*of batch 1 of epoch 1 is kept"):
        train(tmp_path / "run", *words)


def test_a_run_whose_file_is_put_back_goes_on(
    files: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = patches(root, "train")
    when_training(monkeypatch, 1, 1, lambda: os.truncate(bad, 1000))
    words = [*WORDS, "data=pcam", f"data.root={root}"]
    with pytest.raises(DataError):
        train(tmp_path / "run", *words)
    shutil.copy(patches(files, "train"), bad)
    assert train(tmp_path / "run", *words, resume=True)["epochs"] == 2


def test_a_changed_conversion_of_kaggle_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, _ = write_kaggle(tmp_path / "data")
    when_training(monkeypatch, 0, 1, lambda: change_pixels(root / "train.h5"))
    with pytest.raises(DataError, match=r"train\.h5 changed while it was in use"):
        train(tmp_path / "run", *WORDS, "data=kaggle", f"data.root={root}")


def test_a_picture_that_changes_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_folder(tmp_path / "data")
    one, other = sorted((root / "valid" / "normal").iterdir())[:2]
    when_training(monkeypatch, 0, 0, lambda: shutil.copy(other, one))
    words = [*WORDS, "data=folder", f"data.root={root}", "data.batch_size=4"]
    with pytest.raises(DataError, match=f"^{one} changed while it was in use: "):
        train(tmp_path / "run", *words)


# Resuming -----------------------------------------------------------------------------------------


def test_a_checkpoint_keeps_what_data_it_is_of(run: Path) -> None:
    summary = json.loads((run / "summary.json").read_text())
    expected = {split: facts["sha256"] for split, facts in summary["data"].items()}
    assert list(expected) == ["train", "valid", "test"]
    assert read_checkpoint(run)["data"] == expected
    assert read_checkpoint(run, "best")["data"] == expected


@pytest.mark.slow
@pytest.mark.parametrize("splits", [["train"], ["valid", "test"]])
def test_other_data_is_refused_on_resuming_unless_accepted(
    splits: list[str], run: Path, root: Path, terminal: Terminal
) -> None:
    for split in splits:
        change_pixels(patches(root, split))
    words = [f"resume={run}", "data=pcam", f"data.root={root}", "trainer.max_epochs=2"]
    differ = "train differs" if splits == ["train"] else "valid and test differ"
    fact = f"{run} was trained on other data: {differ} in ids, labels or pixels"
    (line,) = terminal("train", *words).faults
    assert line == (
        f"{fact} (SHA-256); restore the files, set data.root to where they are, or set"
        " data.changed=accept to go on with what is there"
    )
    answer = terminal("train", *words, "data.changed=accept")
    assert answer.status == 0, answer.err
    assert f"{fact}; it goes on with what is there (data.changed=accept)" in answer.err
    assert read_config(run).data.changed == "refuse"  # the next change is refused again
    assert terminal("train", f"resume={run}", "trainer.max_epochs=3").status == 0


def test_equal_data_in_another_folder_is_the_same_data(
    run: Path, root: Path, terminal: Terminal
) -> None:
    words = [f"resume={run}", "data=pcam", f"data.root={root}", "trainer.max_epochs=2"]
    assert terminal("train", *words).status == 0


def test_a_checkpoint_of_an_earlier_version_says_nothing_and_resumes(run: Path, root: Path) -> None:
    earlier = read_checkpoint(run)["data"]
    for name in ("last", "best", "previous"):
        path = run / "checkpoints" / f"{name}.ckpt"
        if path.exists():
            torch.save({k: v for k, v in read_checkpoint(run, name).items() if k != "data"}, path)
    change_pixels(patches(root, "train"))
    config = read_config(run)
    data = config.data.model_copy(update={"root": str(root)})
    trainer = config.trainer.model_copy(update={"max_epochs": 2})
    summary = fit(config.model_copy(update={"data": data, "trainer": trainer}), run, resume=True)
    assert summary["epochs"] == 2
    assert read_checkpoint(run)["data"]["train"] != earlier["train"]  # from now on it is compared
