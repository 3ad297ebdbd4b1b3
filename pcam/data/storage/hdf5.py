"""Arrays in HDF5 files: opened with their faults named, read from any storage, safe across processes."""

import os
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pcam.data.base import Indices, Pixels
from pcam.errors import DataError


def opened(path: Path, key: str, mend: str) -> h5py.Dataset:
    """Open one array of a file.

    Args:
        path: the HDF5 file.
        key: name of the array in it.
        mend: what gets the file again, for the message.

    Raises:
        DataError: the file is missing, is no HDF5 file, is cut off, or lacks the key.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing; {mend}")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        reason = "is cut off" if "truncated" in str(error) else "is not an HDF5 file"
        raise DataError(f"{path} {reason} ({path.stat().st_size:,} bytes); {mend}") from error
    if key not in file or not isinstance(file[key], h5py.Dataset):
        raise DataError(f"{path} has no array '{key}', only {', '.join(file) or 'nothing'}; {mend}")
    return file[key]


class PatchArray:
    """Patches in one HDF5 array, uint8 (N, H, W, 3).

    Uncompressed patches that lie in one piece each (a contiguous array, or chunks of whole patches) are read through a memory
    map: no handle, no lock, the same in every process. Any other storage is read by h5py in sorted order, through a handle
    that each process opens for itself (h5py's do not survive a fork).
    """

    def __init__(self, path: Path, key: str, mend: str) -> None:
        dataset = opened(path, key, mend)
        if dataset.ndim != 4 or dataset.shape[3] != 3:
            raise DataError(
                f"{path}: '{key}' has shape {dataset.shape}; patches are (N, height, width, 3); {mend}"
            )
        if dataset.dtype != np.uint8:
            raise DataError(f"{path}: '{key}' is {dataset.dtype}; patches are uint8; {mend}")
        self.path, self.key, self.mend = path, key, mend
        self.shape: tuple[int, int, int, int] = dataset.shape
        self._places = _places(dataset)
        dataset.file.close()
        self._open()

    def _open(self) -> None:
        self._handle: tuple[int, Any] | None = None
        if self._places is not None:
            size = int(np.prod(self.shape[1:]))
            self._bytes = np.asarray(np.memmap(self.path, np.uint8, "r"))
            start = int(self._places[0]) if len(self._places) else 0
            together = bool((np.diff(self._places) == size).all())
            self._map = (
                self._bytes[start : start + size * len(self)].reshape(self.shape)
                if together
                else None
            )

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, indices: Indices) -> Pixels:
        """Return the patches at ``indices`` (any order, repeats allowed), uint8 (n, H, W, 3)."""
        if self._places is None:
            return self._through_handle(indices)
        if self._map is not None:
            return self._map[indices]
        patches = np.empty((len(indices), int(np.prod(self.shape[1:]))), np.uint8)
        for i, place in enumerate(self._places[indices].tolist()):
            patches[i] = self._bytes[place : place + patches.shape[1]]
        return patches.reshape(len(indices), *self.shape[1:])

    def _through_handle(self, indices: Indices) -> Pixels:
        if self._handle is None or self._handle[0] != os.getpid():
            self._handle = (os.getpid(), h5py.File(self.path, "r")[self.key])
        rows, place = np.unique(indices, return_inverse=True)
        patches = np.empty((len(rows), *self.shape[1:]), np.uint8)
        try:
            for i, row in enumerate(rows):
                self._handle[1].read_direct(patches, np.s_[row], np.s_[i])
        except OSError as error:
            raise DataError(
                f"{self.path}: patch {row} cannot be read ({error}); {self.mend}"
            ) from error
        return patches[place]

    def __getstate__(self) -> dict[str, Any]:
        # a pickled memory map would carry all of the pixels
        return {
            key: value
            for key, value in self.__dict__.items()
            if key not in ("_handle", "_bytes", "_map")
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()


def _places(dataset: h5py.Dataset) -> NDArray[np.int64] | None:
    """Return the byte of the file at which each patch begins, int64 (N,); None where patches do not lie there as they are."""
    size = int(np.prod(dataset.shape[1:]))
    if dataset.chunks is None:
        start = dataset.id.get_offset()
        return None if start is None else start + size * np.arange(len(dataset))
    deep = dataset.chunks[0]
    if dataset.chunks[1:] != dataset.shape[1:] or dataset.id.get_create_plist().get_nfilters():
        return None
    starts = np.full(-(-len(dataset) // deep), -1, np.int64)

    def note(chunk: Any) -> None:
        starts[chunk.chunk_offset[0] // deep] = chunk.byte_offset

    dataset.id.chunk_iter(note)
    if (starts < 0).any():  # a chunk that was never written has no place
        return None
    rows = np.arange(len(dataset))
    places: NDArray[np.int64] = starts[rows // deep] + size * (rows % deep)
    return places


AGAIN = "remove it and type this again"


def is_mapped(path: Path, key: str) -> bool:
    """Tell whether a file's array can be a memory map."""
    dataset = opened(path, key, AGAIN)
    with dataset.file:
        return _places(dataset) is not None


def rewrite(path: Path, key: str) -> None:
    """Write a file anew with one array contiguous and uncompressed, so that it can be a memory map.

    A compressed array is slow to read in random order. The file is replaced only once the new one is whole.

    Raises:
        DataError: it cannot be read, or the disk is too small.
    """
    dataset, partial = opened(path, key, AGAIN), path.with_suffix(".rewritten")
    with dataset.file as old:
        size, free = dataset.size * dataset.dtype.itemsize, shutil.disk_usage(path.parent).free
        if free < size * 1.01:
            raise DataError(
                f"{path.parent} has {free / 1e9:.1f} GB free, {size / 1e9:.1f} GB are needed to rewrite {path.name}"
            )
        rows = dataset.chunks[0] if dataset.chunks else 1
        step = -(-512 // rows) * rows  # whole chunks, each decompressed once
        try:
            bar = tqdm(
                total=len(dataset), unit="patch", desc=f"rewriting {path.name}", disable=None
            )
            with h5py.File(partial, "w") as new, bar:
                for name in old:
                    if name != key:
                        old.copy(name, new)
                whole = new.create_dataset(key, dataset.shape, dataset.dtype)
                for start in range(0, len(dataset), step):
                    block = dataset[start : start + step]
                    whole[start : start + step] = block
                    bar.update(len(block))
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise DataError(f"{path} cannot be rewritten ({error})") from error
    os.replace(partial, path)


def read_column(path: Path, key: str, mend: str) -> NDArray[Any]:
    """Return one array of a file, whole, as a vector (N,)."""
    dataset = opened(path, key, mend)
    try:
        values: NDArray[Any] = dataset[()].reshape(-1)
    except OSError as error:
        raise DataError(f"{path}: '{key}' cannot be read ({error}); {mend}") from error
    finally:
        dataset.file.close()
    return values
