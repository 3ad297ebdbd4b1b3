import errno
import os
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from pcam.data.sources.pcam_files import get_pcam
from pcam.data.storage.conversion import convert
from pcam.errors import DataError
from pcam.runs.lock import LOCK_NAME, FolderInUse
from tests.runs.locks import locked_elsewhere


def test_a_conversion_waits_for_one_that_is_running(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Two jobs of a sweep need the same conversion: neither writes into the other's file."""
    caplog.set_level("INFO")
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for number, file in enumerate(files):
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(file)
    target = tmp_path / "converted" / "train.h5"
    with locked_elsewhere(target.parent) as other:
        thread = threading.Thread(target=convert, args=(files, target))
        thread.start()
        thread.join(2)
        assert thread.is_alive()
        assert [path.name for path in target.parent.iterdir()] == [LOCK_NAME]
        other.kill()
        thread.join(20)
    assert caplog.messages == [
        f"waiting for another process, which is writing into {target.parent}"
    ]
    with h5py.File(target) as file:
        assert file["x"][:, 0, 0, 0].tolist() == [0, 1, 2]
    names = sorted(path.name for path in target.parent.iterdir())
    assert names == ["train.checked", "train.h5"]


def test_a_download_that_is_running_is_not_started_again(tmp_path: Path) -> None:
    with (
        locked_elsewhere(tmp_path),
        pytest.raises(FolderInUse, match="set another data.root"),
    ):
        get_pcam(tmp_path, "http://127.0.0.1:9")


def test_trap_a_disk_that_is_full_later_would_kill_a_conversion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pixels are written through a memory map, so their room is allocated before."""
    file = tmp_path / "0.png"
    Image.fromarray(np.full((8, 8, 3), 1, np.uint8)).save(file)
    sizes: list[int] = []

    def full(descriptor: int, start: int, size: int) -> None:
        sizes.append(size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(DataError, match=r"cannot be written \(.*No space left on device"):
        convert([file], tmp_path / "converted" / "train.h5")
    assert sizes[0] >= 8 * 8 * 3 + 40
    assert list((tmp_path / "converted").iterdir()) == []
