"""A file of features that is not complete: written in chunks, and continued after a kill."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from pcam.data.features import FEATURES
from pcam.data.storage.hdf5 import row_offsets
from pcam.runs.access import refuse_link

CHUNK = 256  # patches that are written, and lost by a kill, together
DONE = "done"  # array of a flag per chunk
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Layout:
    """Where the values of a file are.

    Attributes:
        rows: int64 (N,), the byte at which the features of each patch start.
        flags: the byte at which the flags of the chunks start.
        done: bool (chunks,), the chunks that are written.
    """

    rows: NDArray[np.int64]
    flags: int
    done: NDArray[np.bool_]


class PartialFile:
    """A file of features whose structure is complete, and whose chunks are written one by one.

    Values are written at their places in a file that HDF5 has closed, so a kill cannot damage it.
    The flag of a chunk is written after its values are on the disk.

    Args:
        descriptor: of the file, open for writing.
        layout: of the file.
        dtype: of the features.
    """

    def __init__(self, descriptor: int, layout: Layout, dtype: str) -> None:
        self._descriptor = descriptor
        self._layout = layout
        self._dtype = dtype

    @property
    def missing(self) -> list[int]:
        """The chunks that are not written yet."""
        return [int(chunk) for chunk in np.flatnonzero(~self._layout.done)]

    def rows_of(self, chunk: int) -> range:
        """Return the patches of a chunk."""
        return range(chunk * CHUNK, min((chunk + 1) * CHUNK, len(self._layout.rows)))

    def write(self, chunk: int, features: NDArray[np.float32]) -> None:
        """Write a chunk, float32 (n, F).

        Raises:
            OSError: it cannot be written.
        """
        content = np.ascontiguousarray(features, self._dtype).tobytes()
        _write_all(self._descriptor, content, int(self._layout.rows[chunk * CHUNK]))
        os.fsync(self._descriptor)
        _write_all(self._descriptor, b"\1", self._layout.flags + chunk)
        self._layout.done[chunk] = True

    def sync(self) -> None:
        """Wait until all is on the disk."""
        os.fsync(self._descriptor)


@contextmanager
def open_partial(path: Path, count: int, width: int, dtype: str) -> Iterator[PartialFile]:
    """Continue a file that is there, or start a new one.

    Args:
        path: of the file; the caller has locked its folder.
        count: N, the number of patches.
        width: F, the number of features.
        dtype: float32 or float16.

    Raises:
        AccessError: the path is a link.
        OSError: the file cannot be written, or the disk is full.
    """
    refuse_link(path)
    layout = read_layout(path, count, width, dtype)
    if layout is None:
        write_structure(path, count, width, dtype)
        layout = read_layout(path, count, width, dtype)
    if layout is None:
        raise OSError(f"{path} was changed by another program")
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield PartialFile(descriptor, layout, dtype)
    finally:
        os.close(descriptor)


def read_layout(path: Path, count: int, width: int, dtype: str) -> Layout | None:
    """Return the layout of a file; None if it is not there, or not of these features."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            features, flags = file[FEATURES], file[DONE]
            rows, start = row_offsets(features), flags.id.get_offset()
            is_same = features.shape == (count, width) and features.dtype == dtype
            done = flags[()] == 1
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError):
        return None
    if not is_same or rows is None or start is None or done.shape != (-(-count // CHUNK),):
        return None
    end = int(rows.max()) + width * np.dtype(dtype).itemsize
    return Layout(rows, start, done) if end <= path.stat().st_size else None


def write_structure(path: Path, count: int, width: int, dtype: str) -> None:
    """Write a file with room for all features, and no chunk done.

    Raises:
        OSError: the disk is full.
    """
    rows = min(CHUNK, count)
    with h5py.File(path, "w", locking=False) as file:
        file[DONE] = np.zeros(-(-count // CHUNK), np.uint8)
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk((rows, width))
        plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        kind = h5py.h5t.py_create(np.dtype(dtype), logical=True)
        space = h5py.h5s.create_simple((count, width))
        h5py.h5d.create(file.id, FEATURES.encode(), kind, space, plan)
    with path.open("r+b") as stream:
        _allocate(stream.fileno(), path.stat().st_size)
        os.fsync(stream.fileno())


def _allocate(descriptor: int, size: int) -> None:
    """Allocate a file's room on the disk now, where the file system can."""
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        if error.errno in FULL:
            raise


def _write_all(descriptor: int, content: bytes, offset: int) -> None:
    """Write bytes at a place of a file, in as many calls as it takes."""
    view = memoryview(content)
    while len(view):
        count = os.pwrite(descriptor, view, offset)
        view, offset = view[count:], offset + count
