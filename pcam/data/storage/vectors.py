"""Arrays of one value per patch in HDF5 files: labels, ids, digests."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from pcam.data.storage.arrays import DAMAGE
from pcam.data.storage.hdf5 import open_dataset, replace_hint
from pcam.errors import DataError
from pcam.runs.access import access_error


def read_texts(path: Path, key: str, hint: str) -> list[str]:
    """Return one array of a file as N texts.

    Raises:
        DataError: as `read_column`; or it is not of texts in ASCII.
    """
    values = read_column(path, key, hint)
    try:
        if values.dtype.kind != "S":
            raise ValueError(f"it is {values.dtype}")
        texts: list[str] = values.astype(str).tolist()
    except ValueError as error:
        raise DataError(f"{path}: '{key}' is not text ({error}); {replace_hint(hint)}") from error
    return texts


def read_column(path: Path, key: str, hint: str) -> NDArray[Any]:
    """Return one array of a file, whole, as a vector (N,) of the file's dtype.

    Raises:
        DataError: as `open_dataset`; or the array has several values per row, or cannot be read.
    """
    dataset = open_dataset(path, key, hint)
    with dataset.file:
        if dataset.ndim == 0 or dataset.size != len(dataset):
            raise DataError(
                f"{path}: '{key}' has shape {dataset.shape}, not one value per patch;"
                f" {replace_hint(hint)}"
            )
        try:
            values: NDArray[Any] = dataset[()].reshape(-1)
        except DAMAGE as error:
            failure = DataError(f"{path}: '{key}' cannot be read ({error}); {replace_hint(hint)}")
            raise (access_error(path, error) or failure) from error
    return values
