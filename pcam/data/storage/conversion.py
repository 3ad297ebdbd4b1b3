"""Many small image files into one HDF5 file, once: 220,025 tifs open slower than they train."""

import errno
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pcam.data.base import Pixels
from pcam.data.storage.images import read_image
from pcam.data.storage.space import require_space
from pcam.data.storage.verification import note_verified
from pcam.errors import DataError, describe_error
from pcam.runs.access import refuse_link
from pcam.runs.files import write_file
from pcam.runs.lock import lock_folder

BLOCK = 512  # files between two notes of progress
DIGEST = 40  # characters of a SHA-1


def convert(files: Sequence[Path], target: Path) -> None:
    """Write image files of one size into one HDF5 file.

    The file has x uint8 (N, H, W, 3), contiguous, so that it is fast to read; id (N,), the
    stem of each file; and sha1 (N,), of each patch's pixels (row-major RGB). It appears under its
    name only when it is complete. An interrupted conversion is continued: pixels are written
    through a memory map into a file whose structure was finished before, so a kill cannot damage
    it, and a file beside it has the number of rows that are done.

    Args:
        files: at least one image.
        target: the HDF5 file.

    Raises:
        DataError: a file cannot be read or has another size; the disk is too small; the folder
            cannot be written.
    """
    try:
        with lock_folder(target.parent, "data.converted", wait=True):
            if not target.is_file():  # another process may have just converted them
                _convert(files, target)
    except OSError as error:
        raise DataError(
            f"{target} cannot be written ({error}); set data.converted to a folder that can be"
            " written"
        ) from error


def _convert(files: Sequence[Path], target: Path) -> None:
    refuse_link(target.with_suffix(".part"))
    conversion = _Conversion.start(files, target)
    _convert_rows(files, conversion)
    os.replace(conversion.partial, target)
    conversion.progress.unlink()
    if conversion.done == 0:  # what an earlier process wrote is compared when it is opened
        note_verified(target)


@dataclass(frozen=True)
class _Conversion:
    """A conversion that has not finished.

    Attributes:
        partial: the HDF5 file, whose structure is complete.
        progress: text file: a digest of the files' order, and the rows that are done.
        order: the digest.
        done: rows that an earlier attempt finished.
        x: memory map of the pixels.
        sha1: memory map of the digests.
    """

    partial: Path
    progress: Path
    order: str
    done: int
    x: Pixels
    sha1: NDArray[np.bytes_]

    @classmethod
    def start(cls, files: Sequence[Path], target: Path) -> "_Conversion":
        """Start a conversion, or continue an interrupted one of the same files."""
        partial = target.with_suffix(".part")
        progress = target.with_suffix(".progress")
        ids = [file.stem for file in files]
        order = hashlib.sha1("\n".join(ids).encode()).hexdigest()
        done = _rows_done(partial, progress, order)
        places = _places(partial, len(files)) if 0 < done <= len(files) else None
        if places is None:
            done = 0
            _write_structure(partial, ids, read_image(files[0]).shape)
            places = _places(partial, len(files))
        assert places is not None
        shape, x_offset, sha1_offset = places
        x = np.memmap(partial, np.uint8, "r+", x_offset, shape)
        sha1 = np.memmap(partial, f"S{DIGEST}", "r+", sha1_offset, (len(files),))
        return cls(partial, progress, order, done, x, sha1)


def _places(partial: Path, count: int) -> tuple[tuple[int, ...], int, int] | None:
    """Return the shape of x, and the bytes at which x and sha1 begin; None for another file."""
    try:
        with h5py.File(partial, "r", locking=False) as file:
            x, sha1 = file["x"], file["sha1"]
            places = (x.shape, x.id.get_offset(), sha1.id.get_offset())
            whole = len(x) == len(sha1) == count and None not in places
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError):
        return None
    return places if whole else None


def _convert_rows(files: Sequence[Path], conversion: _Conversion) -> None:
    """Read the files that are left; note the progress after each block."""
    x, sha1 = conversion.x, conversion.sha1
    title = f"{files[0].parent.name} → {conversion.partial.with_suffix('.h5').name}"
    total = len(files)
    bar = tqdm(total=total, initial=conversion.done, unit="patch", disable=None, desc=title)
    with bar:
        for start in range(conversion.done, total, BLOCK):
            stop = min(start + BLOCK, total)
            for row in range(start, stop):
                image = read_image(files[row])
                if image.shape != x.shape[1:]:
                    raise DataError(
                        f"{files[row]} is {image.shape[1]}x{image.shape[0]} pixels,"
                        f" {files[0].name} is {x.shape[2]}x{x.shape[1]}"
                    )
                x[row] = image
                sha1[row] = hashlib.sha1(image.tobytes()).hexdigest().encode()
            for array in (x, sha1):
                if isinstance(array, np.memmap):
                    array.flush()
            write_file(conversion.progress, f"{conversion.order} {stop}")
            bar.update(stop - start)


def _rows_done(partial: Path, progress: Path, order: str) -> int:
    """Return how many rows an earlier conversion of the same files finished."""
    try:
        noted, _, rows = progress.read_text("utf-8", errors="replace").partition(" ")
    except FileNotFoundError:
        return 0
    is_count = rows.isdecimal() and len(rows) < 10
    if noted != order or not is_count or not partial.is_file():
        return 0
    return int(rows)


def _write_structure(partial: Path, ids: Sequence[str], shape: Sequence[int]) -> None:
    """Write the file with its whole structure and room for the pixels, but without them."""
    partial.parent.mkdir(parents=True, exist_ok=True)
    size = len(ids) * (int(np.prod(shape)) + 2 * DIGEST)
    require_space(partial.parent, size * 1.01, "(set data.converted)")
    try:
        with h5py.File(partial, "w", locking=False) as file:
            file["id"] = np.array(ids, dtype=bytes)
            _reserve(file, "x", "u1", (len(ids), *shape))
            _reserve(file, "sha1", f"S{DIGEST}", (len(ids),))
    except RuntimeError as error:  # HDF5's own where a file cannot be closed
        partial.unlink(missing_ok=True)
        raise OSError(describe_error(error)) from error
    _allocate(partial)


def _allocate(partial: Path) -> None:
    """Allocate a file's room on the disk: a memory map of a full disk would kill the process.

    Raises:
        OSError: the disk is full; the file is removed.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        with partial.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, partial.stat().st_size)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return  # a file system that cannot allocate ahead
        partial.unlink()
        raise


def _reserve(file: h5py.File, name: str, dtype: str, shape: tuple[int, ...]) -> None:
    """Create an array whose room in the file is allocated now, so that it has an offset."""
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    kind = h5py.h5t.py_create(np.dtype(dtype), logical=True)
    space = h5py.h5s.create_simple(shape)
    h5py.h5d.create(file.id, name.encode(), kind, space, plan)
