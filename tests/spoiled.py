"""Damaged data for tests, each with the message that reports it."""

from pathlib import Path

import h5py
import numpy as np

from tests.conftest import STEM, write_kaggle, write_pcam


def replace_array(path: Path, key: str, values: np.ndarray) -> None:
    path.unlink()
    with h5py.File(path, "w") as file:
        file[key] = values


def spoil_pcam(root: Path, fault: str) -> str:
    """Write PatchCamelyon's files with a fault; return a part of the message about it."""
    write_pcam(root, {"train": 20, "valid": 8, "test": 8})
    x, y = root / f"{STEM}train_x.h5", root / f"{STEM}train_y.h5"
    (root / f"{STEM}train_meta.csv").unlink()
    labels = np.zeros((20, 1, 1, 1), np.uint8)
    if fault == "missing file":
        x.unlink()
        return "train_x.h5 is missing; get it: curl"
    if fault == "truncated HDF5":
        x.write_bytes(x.read_bytes()[:-100_000])
        return "is cut off"
    if fault == "no HDF5":
        x.write_text("<html>quota</html>")
        return "is not an HDF5 file"
    if fault == "wrong key":
        replace_array(x, "patches", np.zeros((20, 96, 96, 3), np.uint8))
        return "has no array 'x', only patches"
    if fault == "wrong shape":
        replace_array(x, "x", np.zeros((20, 3, 96, 96), np.uint8))
        return "patches are (N, height, width, 3)"
    if fault == "wrong dtype":
        replace_array(x, "x", np.zeros((20, 96, 96, 3), np.float32))
        return "is float32; patches are uint8"
    if fault == "other length":
        replace_array(y, "y", labels[:19])
        return "has 20 patches, camelyonpatch_level_2_split_train_y.h5 has 19 labels"
    labels[7] = 2
    replace_array(y, "y", labels)
    return "row 7 has label 2"


PCAM_FAULTS = (
    "missing file",
    "truncated HDF5",
    "no HDF5",
    "wrong key",
    "wrong shape",
    "wrong dtype",
    "other length",
    "label 2",
)


def spoil_kaggle(root: Path, fault: str) -> str:
    """Write Kaggle's files with a fault; return a part of the message about it."""
    write_kaggle(root)
    file = sorted((root / "train").glob("*.tif"))[5]
    if fault == "csv id without file":
        file.unlink()
        return (
            f"1 ids of {root / 'train_labels.csv'} are not in {root / 'train'}, first {file.stem}"
        )
    if fault == "file without id":
        rows = (root / "train_labels.csv").read_text().splitlines()
        (root / "train_labels.csv").write_text(
            "\n".join(row for row in rows if not row.startswith(file.stem)) + "\n"
        )
        return (
            f"1 ids of {root / 'train'} are not in {root / 'train_labels.csv'}, first {file.stem}"
        )
    file.write_bytes(file.read_bytes()[:200])
    return f"{file} cannot be read as an image"


KAGGLE_FAULTS = ("csv id without file", "file without id", "unreadable tif")
