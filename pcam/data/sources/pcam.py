"""PatchCamelyon's official HDF5 files (Veeling et al., MICCAI 2018; Zenodo record 2546921)."""

import csv
import logging
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcam.data.base import Indices, Pixels, validate_labels
from pcam.data.storage.checksums import STEM
from pcam.data.storage.hdf5 import PatchArray, read_column
from pcam.errors import DataError

ADDRESS = "https://zenodo.org/records/2546921/files"
OTHER = {"valid": "test", "test": "valid"}  # the splits whose csv of slides may have changed places

YES = frozenset(("True", "true", "TRUE", "1"))
log = logging.getLogger(__name__)


class PCamSource:
    """One split of PatchCamelyon.

    Attributes:
        labels: uint8 (N,), 1 where the centre 32x32 holds tumour.
        ids: "SPLIT-ROW", the row in the split's file.
        groups: slide names from the meta csv; None where there is none.
        files: the files that were read: "x", "y" and, where slides are known, "meta", which is the other split's csv if that
            is the one that agrees with the labels.
    """

    def __init__(self, split: str, root: str) -> None:
        x, y = (Path(root) / f"{STEM}{split}_{part}.h5" for part in "xy")

        def mend(path: Path) -> str:
            return f"get it: curl -L '{ADDRESS}/{path.name}.gz?download=1' | gunzip > {path} (or set data.root)"

        self._patches = PatchArray(x, "x", mend(x))
        labels = read_column(y, "y", mend(y))
        if len(labels) != len(self._patches):
            raise DataError(
                f"{x.name} has {len(self._patches)} patches, {y.name} has {len(labels)} labels; {mend(y)}"
            )
        if not np.issubdtype(labels.dtype, np.integer) and labels.dtype != np.bool_:
            raise DataError(f"{y}: 'y' is {labels.dtype}; labels are integers; {mend(y)}")
        self.labels = validate_labels(labels, str(y))
        self.ids = [f"{split}-{row:06d}" for row in range(len(labels))]
        self.groups, meta = _slides(root, split, self.labels)
        self.files = {"x": x, "y": y} | ({} if meta is None else {"meta": meta})

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, indices: Indices) -> Pixels:
        """Return the patches, uint8 (n, H, W, 3)."""
        return self._patches.read(indices)


def _slides(
    root: str, split: str, labels: NDArray[np.uint8]
) -> tuple[Sequence[str] | None, Path | None]:
    """Return the slide of each patch and the csv that says so, or None twice where there is no csv.

    The official csv of valid and test are reported as swapped: of the two, the one is believed whose length and labels agree.

    Raises:
        DataError: the split has a csv, and neither agrees; or one lacks its columns.
    """
    tried = {}
    for name in (split, *filter(None, [OTHER.get(split)])):
        meta = Path(root) / f"{STEM}{name}_meta.csv"
        if not meta.is_file():
            continue
        slides, columns = _read_meta(meta)
        tried[name] = meta
        if len(slides) == len(labels) and any((column == labels).all() for column in columns):
            if name != split:
                log.warning(
                    "%s agrees with the labels of %s: slide names are taken from it (swapped names)",
                    meta,
                    split,
                )
            return slides, meta
    if split in tried:
        also = f" (nor does {tried[OTHER[split]].name})" if len(tried) > 1 else ""
        raise DataError(
            f"{tried[split]} does not agree with the {len(labels)} labels of {split}{also}; get it again, or remove it to go "
            "on without slide names"
        )
    return None, None


def _read_meta(meta: Path) -> tuple[list[str], list[NDArray[np.bool_]]]:
    """Return each row's slide, and what each column says that could be the label.

    The csv tells tumour anywhere in the patch from tumour in its centre; either column may be the label.
    """
    with meta.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        rows = csv.reader(file)
        columns = next(rows, [])
        if "wsi" not in columns or "tumor_patch" not in columns:
            raise DataError(
                f"{meta}: columns wsi and tumor_patch are needed, there are {', '.join(columns) or 'none'}"
            )
        told = [
            columns.index(name) for name in ("center_tumor_patch", "tumor_patch") if name in columns
        ]
        pick = itemgetter(columns.index("wsi"), *told)
        cells = [pick(row) for row in rows if len(row) == len(columns)]
    return [row[0] for row in cells], [
        np.array([row[i] in YES for row in cells], bool) for i in range(1, len(told) + 1)
    ]
