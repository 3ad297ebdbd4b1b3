"""Many small image files into one HDF5 file, once: 220,025 tifs open slower than they train."""

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
from tqdm import tqdm

from pcam.data.sources.folder import read_image
from pcam.errors import DataError

BLOCK = 512  # files between two notes of progress


def convert(files: Sequence[Path], target: Path) -> None:
    """Write image files of one size into one HDF5 file.

    The file holds x uint8 (N, H, W, 3), contiguous, so that it can be a memory map; id (N,), each file's stem; and sha1
    (N,), of each patch's pixels (row-major RGB). It appears under its name only when whole. A conversion that was cut off
    goes on where it was: pixels are written through a map into a file whose structure was finished before, so a kill
    cannot harm it, and the count of rows that are done stands in a note beside it.

    Raises:
        DataError: a file cannot be read or has another size; the disk is too small; the folder cannot be written.
    """
    partial, note = target.with_suffix(".part"), target.with_suffix(".progress")
    ids = [file.stem for file in files]
    order = hashlib.sha1("\n".join(ids).encode()).hexdigest()
    done = _done(partial, note, order)
    try:
        if done == 0:
            _lay_out(partial, ids, read_image(files[0]).shape)
        with h5py.File(partial, "r") as file:
            shape, at = file["x"].shape, file["x"].id.get_offset()
            at_sha1 = file["sha1"].id.get_offset()
        x = np.memmap(partial, np.uint8, "r+", at, shape)
        sha1 = np.memmap(partial, "S40", "r+", at_sha1, (len(files),))
        with tqdm(
            total=len(files),
            initial=done,
            unit="patch",
            disable=None,
            desc=f"{files[0].parent.name} → {target.name}",
        ) as bar:
            for start in range(done, len(files), BLOCK):
                for row in range(start, min(start + BLOCK, len(files))):
                    image = read_image(files[row])
                    if image.shape != shape[1:]:
                        raise DataError(
                            f"{files[row]} is {image.shape[1]}x{image.shape[0]} pixels, {files[0].name} is not"
                        )
                    x[row] = image
                    sha1[row] = hashlib.sha1(image.tobytes()).hexdigest().encode()
                x.flush()
                sha1.flush()
                note.write_text(f"{order} {row + 1}")
                bar.update(row + 1 - start)
        del x, sha1
        os.replace(partial, target)
        note.unlink()
    except OSError as error:
        raise DataError(
            f"{target} cannot be written ({error}); set data.converted to a folder that can"
        ) from error


def _done(partial: Path, note: Path, order: str) -> int:
    """Return how many rows an earlier conversion of the same files finished."""
    if not (partial.is_file() and note.is_file()):
        return 0
    earlier, _, rows = note.read_text().partition(" ")
    return int(rows) if earlier == order else 0


def _lay_out(partial: Path, ids: Sequence[str], shape: Sequence[int]) -> None:
    """Make the file with all of its structure and room, and no pixels yet."""
    partial.parent.mkdir(parents=True, exist_ok=True)
    size = len(ids) * (int(np.prod(shape)) + 80)
    if (free := shutil.disk_usage(partial.parent).free) < size * 1.01:
        raise DataError(
            f"{partial.parent} has {free / 1e9:.1f} GB free, {size / 1e9:.1f} GB are needed; set data.converted"
        )
    with h5py.File(partial, "w") as file:
        file["id"] = np.array(ids, dtype=bytes)
        for name, kind, extent in (("x", "u1", (len(ids), *shape)), ("sha1", "S40", (len(ids),))):
            plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plan.set_alloc_time(
                h5py.h5d.ALLOC_TIME_EARLY
            )  # room in the file now, so that it has an offset
            plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
            h5py.h5d.create(
                file.id,
                name.encode(),
                h5py.h5t.py_create(np.dtype(kind), logical=True),
                h5py.h5s.create_simple(extent),
                plan,
            )
