"""Arrays in HDF5 files: clear errors, fast reading from any storage, safe across processes."""

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pcam.data.base import Indices, Pixels
from pcam.data.file_state import FileState
from pcam.data.storage.arrays import DAMAGE, NoArray, find_array
from pcam.data.storage.row_file import RowFile
from pcam.data.storage.space import require_space
from pcam.errors import DataError
from pcam.runs.access import access_error, ensure_readable, refuse_link

REWRITE_ROWS = 512  # patches rewritten at a time, at least
HINT = "run this command again"


def open_dataset(path: Path, key: str, hint: str) -> h5py.Dataset:
    """Open one array of a file.

    Args:
        path: the HDF5 file.
        key: name of the array in it.
        hint: how to get the file again, for the message.

    Raises:
        AccessError: the file cannot be read now.
        DataError: the file is missing, is not an HDF5 file, is cut off or damaged, lacks the key,
            or has the array's values in another file or not at all.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing; {hint}")
    ensure_readable(path)
    file = _open_file(path, hint)
    try:
        return find_array(file, key)
    except DAMAGE as error:
        file.close()
        reason = error.args[0] if isinstance(error, NoArray) else f"is damaged ({error})"
        raise DataError(f"{path} {reason}; {replace_hint(hint)}") from error


def replace_hint(hint: str) -> str:
    """Return how to get another file in place of one that may be of use to somebody."""
    return f"move it away, then {hint}"


def _open_file(path: Path, hint: str) -> h5py.File:
    """Open a file for reading, without HDF5's lock: others may write it, or have no locks."""
    try:
        return h5py.File(path, "r", locking=False)
    except OSError as error:
        size = f"{path.stat().st_size:,} bytes"
        if "truncated" in str(error):
            message = f"{path} is cut off ({size}); if it is being copied, wait; else"
        else:
            message = f"{path} is not an HDF5 file ({size});"
        failure = DataError(f"{message} {replace_hint(hint)}")
        raise (access_error(path, error) or failure) from error


class PatchArray:
    """Patches in one HDF5 array, uint8 (N, H, W, 3).

    Uncompressed patches that are stored in one piece each (a contiguous array, or chunks of whole
    patches) are read from their places in the file: no lock, the same in every process. Any other
    storage is read by h5py in sorted order, through a handle that each process opens for itself,
    because h5py's handles do not survive a fork.

    Attributes:
        state: of the file when it was opened.
    """

    def __init__(self, path: Path, key: str, hint: str) -> None:
        """Open an array.

        Args:
            path: the HDF5 file.
            key: name of the array in it.
            hint: how to get the file again, for messages.

        Raises:
            DataError: as `open_dataset`; or the array is not of patches.
        """
        dataset = open_dataset(path, key, hint)
        if dataset.ndim != 4 or dataset.shape[3] != 3:
            raise DataError(
                f"{path}: '{key}' has shape {dataset.shape}; patches are (N, height, width, 3);"
                f" {replace_hint(hint)}"
            )
        if dataset.dtype != np.uint8:
            raise DataError(
                f"{path}: '{key}' is {dataset.dtype}; patches are uint8; {replace_hint(hint)}"
            )
        self.path = path
        self.key = key
        self.hint = hint
        self.shape: tuple[int, int, int, int] = dataset.shape
        self.state = FileState.of(path)
        self._offsets = row_offsets(dataset)
        self._file: RowFile | None = None
        self._handle: tuple[int, h5py.Dataset] | None = None
        dataset.file.close()
        if self._offsets is not None:
            self._file = self._open_rows(self._offsets)

    def _open_rows(self, offsets: NDArray[np.int64]) -> RowFile:
        file = RowFile(self.path)
        end = int(offsets.max()) + self._patch_bytes if len(offsets) else 0
        if end > file.state.size:
            raise DataError(f"{self.path} is cut off; {replace_hint(self.hint)}")
        return file

    @property
    def _patch_bytes(self) -> int:
        return int(np.prod(self.shape[1:]))

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, indices: Indices) -> Pixels:
        """Return patches, uint8 (n, H, W, 3).

        Args:
            indices: (n,), in any order, with or without repeats.

        Raises:
            DataError: a patch cannot be read.
        """
        if self._offsets is None or self._file is None:
            return self._read_with_h5py(indices)
        patches = self._file.read(self._offsets[indices], self._patch_bytes)
        return patches.reshape(len(patches), *self.shape[1:])

    def _read_with_h5py(self, indices: Indices) -> Pixels:
        if self._handle is None or self._handle[0] != os.getpid():
            self._handle = (os.getpid(), _open_file(self.path, self.hint)[self.key])
        dataset = self._handle[1]
        rows, place = np.unique(indices, return_inverse=True)
        patches = np.empty((len(rows), *self.shape[1:]), np.uint8)
        for i, row in enumerate(rows):
            try:
                dataset.read_direct(patches, np.s_[row], np.s_[i])
            except DAMAGE as error:
                failure = DataError(
                    f"{self.path}: patch {row} cannot be read ({error}); {replace_hint(self.hint)}"
                )
                raise (access_error(self.path, error) or failure) from error
        return patches[place]

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_handle": None}


def row_offsets(dataset: h5py.Dataset) -> NDArray[np.int64] | None:
    """Return the byte of the file at which each row of an array starts, int64 (N,).

    None where rows are not stored as they are: compressed, in pieces, or not at all.
    """
    size = int(np.prod(dataset.shape[1:])) * dataset.dtype.itemsize
    rows = np.arange(len(dataset))
    if dataset.chunks is None:
        start = dataset.id.get_offset()
        return None if start is None else start + size * rows
    if dataset.chunks[1:] != dataset.shape[1:] or dataset.id.get_create_plist().get_nfilters():
        return None
    depth = dataset.chunks[0]
    starts = np.full(-(-len(dataset) // depth), -1, np.int64)

    def note(chunk: Any) -> None:
        starts[chunk.chunk_offset[0] // depth] = chunk.byte_offset

    dataset.id.chunk_iter(note)
    if (starts < 0).any():  # a chunk that was never written has no offset
        return None
    offsets: NDArray[np.int64] = starts[rows // depth] + size * (rows % depth)
    return offsets


def is_stored_plainly(path: Path, key: str) -> bool:
    """Return whether each patch of a file is stored in one piece, uncompressed."""
    dataset = open_dataset(path, key, HINT)
    with dataset.file:
        return row_offsets(dataset) is not None


def rewrite(path: Path, key: str) -> None:
    """Rewrite a file with one array contiguous and uncompressed.

    A compressed array is slow to read in random order. The file is replaced only when the new one
    is complete.

    Args:
        path: the HDF5 file.
        key: name of the array.

    Raises:
        DataError: it cannot be read or written, or the disk is too small.
    """
    dataset = open_dataset(path, key, HINT)
    partial = path.with_suffix(".rewritten")
    refuse_link(partial)
    with dataset.file as old:
        size = dataset.size * dataset.dtype.itemsize
        require_space(path.parent, size * 1.01, f"to rewrite {path.name}")
        try:
            with h5py.File(partial, "w", locking=False) as new:
                for name in old:
                    if name != key:
                        old.copy(name, new)
                _copy_uncompressed(dataset, new, key, f"rewriting {path.name}")
        except (OSError, RuntimeError) as error:  # HDF5's own where a file cannot be closed
            partial.unlink(missing_ok=True)
            raise DataError(f"{path} cannot be rewritten ({error})") from error
    os.replace(partial, path)


def _copy_uncompressed(dataset: h5py.Dataset, file: h5py.File, key: str, title: str) -> None:
    rows = dataset.chunks[0] if dataset.chunks else 1
    step = -(-REWRITE_ROWS // rows) * rows  # whole chunks, so that each is decompressed once
    copy = file.create_dataset(key, dataset.shape, dataset.dtype)
    with tqdm(total=len(dataset), unit="patch", desc=title, disable=None) as bar:
        for start in range(0, len(dataset), step):
            block = dataset[start : start + step]
            copy[start : start + step] = block
            bar.update(len(block))
