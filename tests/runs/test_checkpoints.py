from pathlib import Path

import pytest
import torch

from pcam.runs.checkpoints import is_whole, previous_checkpoint, resumable_checkpoint
from pcam.runs.folder import last_checkpoint


def save(path: Path) -> bytes:
    path.parent.mkdir(exist_ok=True)
    torch.save({"state_dict": {"w": torch.arange(1000)}, "epoch": 0}, path)
    return path.read_bytes()


def test_the_checkpoint_before_replaces_a_torn_one(tmp_path: Path) -> None:
    assert resumable_checkpoint(tmp_path) is None
    last, previous = last_checkpoint(tmp_path), previous_checkpoint(tmp_path)
    content = save(last)
    save(previous)
    assert resumable_checkpoint(tmp_path) == last
    for size in (0, 1, 100, len(content) // 2, len(content) - 1):
        last.write_bytes(content[:size])
        assert resumable_checkpoint(tmp_path) == previous
    last.unlink()
    assert resumable_checkpoint(tmp_path) == previous
    previous.write_bytes(content[:-9])
    assert resumable_checkpoint(tmp_path) is None


@pytest.mark.parametrize("place", [0.1, 0.3, 0.6])
def test_a_changed_byte_is_noticed(place: float, tmp_path: Path) -> None:
    path = last_checkpoint(tmp_path)
    content = bytearray(save(path))
    start = content.index(torch.arange(1000).numpy().tobytes())
    content[start + int(place * 8000)] ^= 1
    path.write_bytes(content)
    assert not is_whole(path)
