"""PatchCamelyon's official HDF5 files (Veeling et al., MICCAI 2018; Zenodo record 2546921)."""

import logging
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pcam.config.base import PathText
from pcam.config.classes import TUMOUR
from pcam.config.registry import register_source
from pcam.config.sections import DataConfig
from pcam.data.base import Indices, PatchSource, Pixels, validate_labels
from pcam.data.provider import SourceProvider
from pcam.data.storage.checksums import STEM
from pcam.errors import DataError, describe_error, shorten_value
from pcam.runs.tables import is_there, read_table

log = logging.getLogger(__name__)

ADDRESS = "https://zenodo.org/records/2546921/files"
SWAPPED = {"valid": "test", "test": "valid"}  # splits whose meta csv may have each other's name
TRUE = frozenset(("True", "true", "TRUE", "1"))


class PCamDataConfig(DataConfig):
    """PatchCamelyon.

    Attributes:
        root: folder of camelyonpatch_level_2_split_SPLIT_{x,y}.h5 and, for slide names,
            ..._meta.csv.
    """

    name: Literal["pcam"] = "pcam"
    root: PathText


class PCamSource:
    """One split of PatchCamelyon.

    Attributes:
        labels: uint8 (N,), 1 if the centre 32x32 contains tumour.
        ids: "SPLIT-ROW", the row in the split's file.
        groups: slide names from the meta csv; None where there is none.
        files: the files that were read: "x", "y" and, where slides are known, "meta". The last is
            the other split's csv if that is the one that agrees with the labels.
        file_states: of the file of the pixels; the others are read once.
    """

    def __init__(self, split: str, root: str) -> None:
        """Open the files of a split.

        Args:
            split: train, valid or test.
            root: folder of the files.

        Raises:
            DataError: a file is missing, damaged, or contradicts another.
        """
        from pcam.data.storage.hdf5 import PatchArray, replace_hint
        from pcam.data.storage.vectors import read_column

        x = Path(root) / f"{STEM}{split}_x.h5"
        y = Path(root) / f"{STEM}{split}_y.h5"
        self._patches = PatchArray(x, "x", _download_hint(x))
        self.file_states = [self._patches.state]
        labels = read_column(y, "y", _download_hint(y))
        if len(labels) != len(self._patches):
            raise DataError(
                f"{x.name} has {len(self._patches)} patches, {y.name} has {len(labels)} labels;"
                f" {replace_hint(_download_hint(y))}"
            )
        if not np.issubdtype(labels.dtype, np.integer) and labels.dtype != np.bool_:
            hint = replace_hint(_download_hint(y))
            raise DataError(f"{y}: 'y' is {labels.dtype}; labels are integers; {hint}")
        self.labels = validate_labels(labels, str(y))
        self.ids = [f"{split}-{row:06d}" for row in range(len(labels))]
        meta = _find_meta(root, split, self.labels)
        self.files = {"x": x, "y": y}
        self.groups: list[str] | None = None
        if meta is not None:
            self.files["meta"] = meta.path
            self.groups = meta.slides

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, indices: Indices) -> Pixels:
        """Return the patches, uint8 (n, H, W, 3)."""
        return self._patches.read(indices)


def _download_hint(path: Path) -> str:
    address = f"{ADDRESS}/{path.name}.gz?download=1"
    return f"get it: curl -L '{address}' | gunzip > {shlex.quote(str(path))} (or set data.root)"


@dataclass(frozen=True)
class Meta:
    """A meta csv.

    Attributes:
        path: of the file.
        slides: N slide names.
        labels: the columns that could be the label, bool (N,) each: tumour in the centre, and
            tumour anywhere in the patch.
    """

    path: Path
    slides: list[str]
    labels: list[NDArray[np.bool_]]

    def agrees(self, labels: NDArray[np.uint8]) -> bool:
        """Return whether the csv has as many rows as labels, and a column that is equal to them."""
        if len(self.slides) != len(labels):
            return False
        equal = [bool((column == labels).all()) for column in self.labels]
        return any(equal)


def _find_meta(root: str, split: str, labels: NDArray[np.uint8]) -> Meta | None:
    """Return the meta csv of a split; None where there is none.

    The official csv of valid and test are reported as swapped, so the one is taken whose length and
    labels agree.

    Raises:
        DataError: the split has a csv, but no csv agrees; or one lacks its columns.
    """
    names = [split, *([SWAPPED[split]] if split in SWAPPED else [])]
    tried: dict[str, Meta] = {}
    for name in names:
        path = Path(root) / f"{STEM}{name}_meta.csv"
        if not is_there(path):
            continue
        meta = read_meta(path)
        tried[name] = meta
        if not meta.agrees(labels):
            continue
        if name != split:
            log.warning(
                "%s agrees with the labels of %s: slide names are taken from it (swapped names)",
                path,
                split,
            )
        return meta
    if split not in tried:
        return None
    other = f" (nor does {tried[SWAPPED[split]].path.name})" if len(tried) > 1 else ""
    raise DataError(
        f"{tried[split].path} does not agree with the {len(labels)} labels of {split}{other};"
        " move it away to continue without slide names, or to download it again"
    )


def read_meta(path: Path) -> Meta:
    """Read a meta csv; rows of another length than the first are skipped.

    Raises:
        AccessError: the file cannot be read now.
        DataError: it is not a csv, lacks the columns wsi or tumor_patch, or a slide has no name.
    """
    try:
        table = read_table(path)
    except ValueError as error:
        raise DataError(f"{path} is not a csv ({describe_error(error)}); move it away") from error
    if not {"wsi", "tumor_patch"}.issubset(table.columns):
        found = shorten_value(", ".join(table.columns)) or "none"
        raise DataError(f"{path}: columns wsi and tumor_patch are needed, found {found}")
    slides = [row["wsi"] for row in table.rows]
    if "" in slides:
        raise DataError(f"{path}: row {slides.index('')} has no slide in its column wsi")
    labels = []
    for name in ("center_tumor_patch", "tumor_patch"):
        if name in table.columns:
            values = [row[name] in TRUE for row in table.rows]
            labels.append(np.array(values, bool))
    return Meta(path, slides, labels)


@register_source("pcam", config=PCamDataConfig)
class PCamData(SourceProvider[PCamDataConfig]):
    """PatchCamelyon, with its published splits."""

    patch_size = 96
    class_names = TUMOUR
    slides_hint = "the official meta csv in data.root"
    description = (
        "PatchCamelyon (Veeling et al. 2018, from Camelyon16): lymph nodes in haematoxylin and"
        " eosin, 0.972 micrometres per pixel, CC0."
    )

    def open(self, split: str) -> PatchSource:
        """Open one split."""
        return PCamSource(split, self.config.root)

    @property
    def centre_labelled(self) -> bool:
        """True: the label is 1 if and only if the centre 32x32 contains tumour."""
        return True

    def prepare(self, address: str | None = None) -> list[str]:
        """Download and check the nine official files; see `pcam.data.sources.pcam_files`."""
        from pcam.data.sources.pcam_files import get_pcam

        return get_pcam(Path(self.config.root), address or ADDRESS)
