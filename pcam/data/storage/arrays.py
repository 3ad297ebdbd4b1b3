"""One array of an HDF5 file, whose values are in that file and nowhere else."""

from math import ceil, prod

import h5py

from pcam.errors import printable, shorten_value


class NoArray(ValueError):
    """A file has no such array with values of its own; the message continues the file's name."""


# What h5py raises for a damaged file, beside our own.
DAMAGE = (KeyError, RuntimeError, OSError, ValueError, TypeError, AttributeError, MemoryError)


def find_array(file: h5py.File, key: str) -> h5py.Dataset:
    """Return an array of an open file.

    A file could otherwise name any other file of this machine as the place of its values.

    Args:
        file: open.
        key: name of the array.

    Raises:
        NoArray: there is none, its values are in other files, or they were never written.
        Exception: one of ``DAMAGE``.
    """
    if isinstance(file.get(key, getlink=True), h5py.ExternalLink):
        raise NoArray(f"has '{key}' as a link to another file")
    if key not in file or not isinstance(file[key], h5py.Dataset):
        found = ", ".join(map(printable, file)) or "nothing"
        raise NoArray(f"has no array '{key}', only {shorten_value(found)}")
    dataset = file[key]
    if dataset.shape is None:
        raise NoArray(f"has no values in '{key}'")
    if dataset.is_virtual or dataset.external is not None:
        raise NoArray(f"has the values of '{key}' in other files")
    if _is_unwritten(dataset):
        raise NoArray(f"has values in '{key}' that were never written")
    _ = dataset.dtype  # raises for types that NumPy has not
    return dataset


def _is_unwritten(dataset: h5py.Dataset) -> bool:
    """Return whether the room of an array, or of one of its chunks, was never allocated."""
    if not dataset.size:
        return False
    if dataset.chunks is None:
        return bool(dataset.id.get_storage_size() == 0)
    sides = zip(dataset.shape, dataset.chunks, strict=True)
    return bool(dataset.id.get_num_chunks() < prod(ceil(side / chunk) for side, chunk in sides))
