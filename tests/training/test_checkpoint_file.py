"""Checkpoints survive a kill at any moment of their writing."""

import contextlib
import os
import shutil
from pathlib import Path

import pytest
import torch

from pcam.runs.checkpoints import is_whole, previous_checkpoint, resumable_checkpoint
from pcam.runs.folder import last_checkpoint
from pcam.training.checkpoint_file import CheckpointFile
from tests.run import Killed, train
from tests.training.runs import STUDY, equal_tensors, read_state


def write(files: CheckpointFile, folder: Path, epoch: int) -> None:
    files.save_checkpoint({"epoch": epoch}, last_checkpoint(folder))


def read_epoch(path: Path) -> int:
    epoch: int = torch.load(path, weights_only=True)["epoch"]
    return epoch


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / "last.ckpt"
    CheckpointFile().save_checkpoint({"epoch": 0}, path)
    with pytest.raises(Exception, match="pickle"):
        CheckpointFile().save_checkpoint({"epoch": 1, "no": lambda: None}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 0}


def test_the_last_checkpoint_and_the_one_before_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", "/dev/null")  # it is written beside the last, not there
    files = CheckpointFile()
    for epoch in range(3):
        write(files, tmp_path, epoch)
    assert read_epoch(last_checkpoint(tmp_path)) == 2
    assert read_epoch(previous_checkpoint(tmp_path)) == 1
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("function", ["fsync", "link", "replace"])
@pytest.mark.parametrize("call", [1, 2])
def test_a_kill_while_writing_leaves_a_whole_checkpoint(
    function: str, call: int, links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(CheckpointFile(), tmp_path, 0)
    write(CheckpointFile(), tmp_path, 1)
    original = getattr(os, function)
    calls = []

    def killed(*arguments: object) -> None:
        calls.append(1)
        if len(calls) == call:
            raise Killed
        original(*arguments)

    def unsupported(*_: object) -> None:
        raise OSError("not supported")

    unlink = Path.unlink

    def left(self: Path, missing_ok: bool = False) -> None:
        """A killed process does not remove its temporary."""
        if self.suffix != ".part":
            unlink(self, missing_ok)

    with monkeypatch.context() as patch:
        if not links:
            patch.setattr(os, "link", unsupported)
        patch.setattr(os, function, killed)
        patch.setattr(Path, "unlink", left)
        if function != "link" or links:
            with contextlib.suppress(Killed):
                write(CheckpointFile(), tmp_path, 2)
    path = resumable_checkpoint(tmp_path)
    assert path is not None
    assert read_epoch(path) in (1, 2)
    write(CheckpointFile(), tmp_path, 3)
    assert read_epoch(last_checkpoint(tmp_path)) == 3
    assert not list((tmp_path / "checkpoints").glob("*.part"))


def test_a_damaged_checkpoint_does_not_replace_the_whole_one_before(tmp_path: Path) -> None:
    write(CheckpointFile(), tmp_path, 0)
    write(CheckpointFile(), tmp_path, 1)
    last_checkpoint(tmp_path).write_bytes(b"torn")
    write(CheckpointFile(), tmp_path, 1)
    assert read_epoch(previous_checkpoint(tmp_path)) == 0
    assert read_epoch(last_checkpoint(tmp_path)) == 1


@pytest.mark.slow
def test_a_run_whose_last_checkpoint_is_torn_resumes_to_the_same_bits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    words = [*STUDY, "trainer.max_epochs=3"]
    train(tmp_path / "whole", *words)
    shutil.copytree(tmp_path / "whole", tmp_path / "torn")
    last = last_checkpoint(tmp_path / "torn")
    last.write_bytes(last.read_bytes()[:-100])
    train(tmp_path / "torn", *words, resume=True)
    assert f"{last} is damaged; the one before it is used" in caplog.text
    assert is_whole(last)
    assert all(equal_tensors(read_state(tmp_path / "whole"), read_state(tmp_path / "torn")))
