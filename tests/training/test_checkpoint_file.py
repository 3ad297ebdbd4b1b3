"""A checkpoint is in its place as a whole, or the one before is."""

from pathlib import Path

import pytest
import torch

from pcam.training.checkpoint_file import CheckpointFile


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / "last.ckpt"
    CheckpointFile().save_checkpoint({"epoch": 0}, path)
    with pytest.raises(Exception, match="pickle"):
        CheckpointFile().save_checkpoint({"epoch": 1, "no": lambda: None}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 0}


def test_a_checkpoint_is_written_beside_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "tmp"
    elsewhere.mkdir()
    monkeypatch.setenv("TMPDIR", str(elsewhere))
    CheckpointFile().save_checkpoint({"epoch": 0}, tmp_path / "last.ckpt")
    assert list(elsewhere.iterdir()) == []
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["last.ckpt"]
