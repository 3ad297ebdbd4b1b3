"""PatchCamelyon's official HDF5 files (Veeling et al., MICCAI 2018; Zenodo record 2546921)."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcam.data.hdf5 import PatchArray, read_column
from pcam.data.source import Indices, Pixels, checked_labels
from pcam.errors import DataError

ADDRESS = "https://zenodo.org/records/2546921/files"


class PCamSource:
    """One split of PatchCamelyon.

    Attributes:
        labels: uint8 (N,), 1 where the centre 32x32 holds tumour.
        ids: "SPLIT-ROW", the row in the split's file.
        groups: slide names from the meta csv; None where there is no csv that agrees with the labels.
    """

    def __init__(self, split: str, root: str) -> None:
        stem = f"camelyonpatch_level_2_split_{split}"
        x, y, meta = (Path(root) / f"{stem}_{part}" for part in ("x.h5", "y.h5", "meta.csv"))

        def mend(path: Path) -> str:
            return f"get it: curl -L '{ADDRESS}/{path.name}.gz?download=1' | gunzip > {path} (or set data.root)"

        self._patches = PatchArray(x, "x", mend(x))
        labels = read_column(y, "y", mend(y))
        if len(labels) != len(self._patches):
            raise DataError(f"{x.name} has {len(self._patches)} patches, {y.name} has {len(labels)} labels; {mend(y)}")
        if not np.issubdtype(labels.dtype, np.integer) and labels.dtype != np.bool_:
            raise DataError(f"{y}: 'y' is {labels.dtype}; labels are integers; {mend(y)}")
        self.labels = checked_labels(labels, str(y))
        self.ids = [f"{split}-{row:06d}" for row in range(len(labels))]
        self.groups = _slides(meta, self.labels)

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, indices: Indices) -> Pixels:
        """Return the patches, uint8 (n, H, W, 3)."""
        return self._patches.read(indices)


def _slides(meta: Path, labels: NDArray[np.uint8]) -> Sequence[str] | None:
    """Return the slide of each patch, or None where there is no meta csv.

    The official csv of valid and test are reported as swapped, so one is believed only if its length and labels agree.
    """
    if not meta.is_file():
        return None
    with meta.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"wsi", "tumor_patch"} <= set(rows[0]):
        raise DataError(
            f"{meta}: columns wsi and tumor_patch are needed, there are {', '.join(rows[0]) if rows else 'no rows'}"
        )
    tumour = np.array([row["tumor_patch"] in ("True", "true", "1") for row in rows])
    if len(rows) != len(labels) or (tumour != labels).any():
        raise DataError(
            f"{meta} ({len(rows)} rows) does not agree with the split's {len(labels)} labels: the official csv of valid and "
            "test are reported as swapped; rename them, or remove them to go on without slide names"
        )
    return [row["wsi"] for row in rows]
