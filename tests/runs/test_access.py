"""Files that cannot be read now are not called broken, and nothing is written over them."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from pcam.data.sources.pcam import read_meta
from pcam.data.storage.csv import read_rows
from pcam.data.storage.hdf5 import PatchArray
from pcam.data.storage.images import read_image
from pcam.data.storage.vectors import read_column
from pcam.errors import AccessError, DataError
from pcam.models.weights import read_weights
from pcam.runs import access
from pcam.runs.access import ensure_readable
from pcam.runs.files import read_json, read_metrics, write_json
from pcam.runs.folder import last_checkpoint, read_config, write_config
from pcam.runs.resume import find_run_to_resume, finished_objective
from pcam.sweeps.jobs import find_jobs
from pcam.training.resuming import check_checkpoint
from tests.run import composed

Read = Callable[[Path], object]

READERS: dict[str, tuple[str, Read]] = {
    "HDF5": ("x.h5", lambda path: PatchArray(path, "x", "get it: curl")),
    "labels": ("y.h5", lambda path: read_column(path, "y", "get it: curl")),
    "csv": ("a.csv", lambda path: read_rows(path, ("id",))),
    "slides": ("meta.csv", read_meta),
    "weights": ("w.pth", read_weights),
    "safetensors": ("w.safetensors", read_weights),
    "config": ("config.yaml", lambda path: read_config(path.parent)),
    "summary": ("summary.json", read_json),
    "metrics": ("metrics.csv", read_metrics),
    "checkpoint": ("checkpoints/last.ckpt", lambda path: check_checkpoint(path.parents[1], 3, 16)),
}


@contextmanager
def failing_open(monkeypatch: pytest.MonkeyPatch, path: Path, number: int) -> Iterator[None]:
    """Let the system refuse to open one file, as root is refused nothing."""
    system_open = os.open

    def refused(name: object, flags: int, *rest: int, **more: int) -> int:
        if Path(str(name)) == path:
            raise OSError(number, os.strerror(number), str(path))
        return system_open(name, flags, *rest, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(access.os, "open", refused)
        yield


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EACCES, r"permission denied \(owner \w+, mode 600\)"),
        (errno.EIO, "input/output error"),
        (errno.ESTALE, "stale file handle"),
        (errno.ETXTBSY, "it is open in another program"),
    ],
)
def test_a_file_that_the_system_refuses_is_not_called_broken(
    reader: str, number: int, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, read = READERS[reader]
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.touch(mode=0o600)
    message = f"^{path} cannot be read: {reason}$"
    with failing_open(monkeypatch, path, number), pytest.raises(AccessError, match=message):
        read(path)


def test_a_picture_that_the_system_refuses_is_not_called_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    path.touch(mode=0o600)

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Image, "open", refused)
    with pytest.raises(AccessError, match=r"a\.png cannot be read: permission denied"):
        read_image(path)


OPEN = """
import sys, h5py
file = h5py.File(sys.argv[1], sys.argv[2])
print(1, flush=True)
input()
"""


@contextmanager
def open_elsewhere(path: Path, mode: str) -> Iterator[subprocess.Popen[str]]:
    """Open an HDF5 file in another program."""
    other = subprocess.Popen(
        [sys.executable, "-c", OPEN, str(path), mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None
    try:
        assert other.stdout.read(1) == "1"
        yield other
    finally:
        other.kill()
        other.wait()


@pytest.fixture
def patches(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        pixels = np.arange(4 * 8 * 8 * 3, dtype=np.uint8).reshape(4, 8, 8, 3)
        file.create_dataset("x", data=pixels, chunks=(2, 8, 8, 3), compression="gzip")
    return tmp_path / "x.h5"


def test_trap_a_file_that_another_program_writes_is_not_called_broken(patches: Path) -> None:
    with (
        open_elsewhere(patches, "a"),
        pytest.raises(AccessError, match=r"x\.h5 is open in another program, which may be writing"),
    ):
        PatchArray(patches, "x", "get it: curl")
    assert PatchArray(patches, "x", "").read(np.array([3]))[0, 7, 7, 2] == 255


def test_trap_reading_takes_no_lock(patches: Path) -> None:
    """HDF5 locks what it opens: another program could not write a file that is only read."""
    with open_elsewhere(patches, "r"):
        array = PatchArray(patches, "x", "")
    array.read(np.array([0]))
    with open_elsewhere(patches, "a"):  # while a file handle is open here
        assert array.read(np.array([3]))[0, 7, 7, 2] == 255


def test_trap_a_file_system_without_locks_is_read(
    patches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(access.fcntl, "flock", missing)
    assert PatchArray(patches, "x", "").shape == (4, 8, 8, 3)


def test_advice_does_not_write_over_a_file(patches: Path) -> None:
    for key, content in (("y", patches.read_bytes()), ("x", patches.read_bytes()[:-90])):
        patches.write_bytes(content)
        with pytest.raises(DataError, match=r"move it away, then get it: curl"):
            PatchArray(patches, key, "get it: curl")


def test_a_device_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(AccessError, match="fifo is not a regular file"):
        ensure_readable(tmp_path / "fifo")


def test_a_run_that_cannot_be_read_is_neither_damaged_nor_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = composed()
    write_config(tmp_path, config)
    write_json(tmp_path / "summary.json", {})
    last_checkpoint(tmp_path).parent.mkdir()
    torch.save({}, last_checkpoint(tmp_path))
    with failing_open(monkeypatch, tmp_path / "summary.json", errno.EACCES):
        with pytest.raises(AccessError):
            finished_objective(tmp_path, config)
        (job,) = find_jobs(str(tmp_path))
        assert job.state == "unreadable"
        assert "permission denied" in job.reason
    (tmp_path / "summary.json").unlink()
    with failing_open(monkeypatch, tmp_path / "config.yaml", errno.EACCES):
        (job,) = find_jobs(str(tmp_path))
        assert job.state == "unreadable"
        # a queue's "auto" looks for another run
        assert find_run_to_resume("auto", tmp_path / "new", tmp_path, config) is None
