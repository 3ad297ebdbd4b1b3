"""Kaggle's histopathologic-cancer-detection: PCam with equal patches kept once, as one tif per patch."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcam.data.base import Indices, Pixels, Subset
from pcam.data.sources.folder import read_slides
from pcam.data.storage.conversion import convert
from pcam.data.storage.csv import read_rows
from pcam.data.storage.hdf5 import PatchArray, read_column
from pcam.errors import ConfigError, DataError

log = logging.getLogger(__name__)
MEND = "kaggle competitions download -c histopathologic-cancer-detection, unzip, set data.root"


class KaggleSource:
    """All patches of Kaggle's train or test folder, read from their conversion to HDF5.

    Attributes:
        labels: uint8 (N,) for train; None for test, whose labels Kaggle keeps.
        ids: Kaggle's, the SHA-1 of the pixels.
        groups: slide names, None unless a csv of them is given.
        sha1: N digests of the pixels as they are.
        converted: the HDF5 file; it is made once, and tifs that change later are not looked at again.
    """

    def __init__(self, kind: str, root: str, converted: str, slide_csv: str | None = None) -> None:
        folder, target = Path(root) / kind, Path(converted) / f"{kind}.h5"
        labelled = kind == "train"
        table = Path(root) / "train_labels.csv"
        rows = read_labels(table) if labelled else None
        if not target.is_file():
            convert(_files(folder, rows, table), target)
        self.converted = target
        mend = f"remove it, and it is made again from {folder}"
        self._patches = PatchArray(target, "x", mend)
        self.ids: list[str] = read_column(target, "id", mend).astype(str).tolist()
        self.sha1: list[str] = read_column(target, "sha1", mend).astype(str).tolist()
        if rows is not None and set(rows) != set(self.ids):
            raise DataError(f"{target} was made from other ids than {table} lists; {mend}")
        self.labels = None if rows is None else np.array([rows[i] for i in self.ids], np.uint8)
        self.groups = None
        if slide_csv is not None:
            names = read_slides(Path(slide_csv))
            without = [i for i in self.ids if i not in names]
            if labelled and without:
                raise DataError(
                    f"{slide_csv} has no slide for {len(without)} of {len(self.ids)} patches, first {without[0]}"
                )
            self.groups = None if without else [names[i] for i in self.ids]

    def __len__(self) -> int:
        return len(self.ids)

    def read(self, indices: Indices) -> Pixels:
        """Return the patches, uint8 (n, H, W, 3)."""
        return self._patches.read(indices)


def kaggle_split(
    split: str, root: str, converted: str, slide_csv: str | None = None, mismatch: str = "error"
) -> Subset:
    """Open the labelled patches (train), or the unlabelled test folder (predict).

    A patch whose id is not the SHA-1 of its pixels is an error, dropped or kept, as ``mismatch`` says.

    Raises:
        DataError: files and csv do not agree, a tif cannot be read, ids and pixels do not agree.
        ConfigError: ``mismatch`` is none of the three.
    """
    if mismatch not in ("error", "drop", "keep"):
        raise ConfigError(f"data.mismatch={mismatch}; there is error, drop, keep")
    whole = KaggleSource("test" if split == "predict" else "train", root, converted, slide_csv)
    return Subset(whole, _matching(whole, mismatch))


def _matching(whole: KaggleSource, mismatch: str) -> NDArray[np.int64]:
    """Return the indices to use, by what is to be done with ids that are not their pixels' SHA-1."""
    wrong = np.array(
        [
            i
            for i, (name, digest) in enumerate(zip(whole.ids, whole.sha1, strict=True))
            if name != digest
        ],
        int,
    )
    if len(wrong) == 0 or mismatch == "keep":
        if len(wrong):
            log.warning(
                "%d of %d ids are not the SHA-1 of their pixels; kept (data.mismatch)",
                len(wrong),
                len(whole),
            )
        return np.arange(len(whole))
    named = ", ".join(whole.ids[i] for i in wrong[:3]) + (", …" if len(wrong) > 3 else "")
    if mismatch == "error":
        raise DataError(
            f"{len(wrong)} of {len(whole)} ids are not the SHA-1 of their pixels: {named}; get these files again and remove "
            f"{whole.converted}, so that it is made anew; or set data.mismatch=drop or keep"
        )
    log.warning(
        "%d of %d ids are not the SHA-1 of their pixels; dropped (data.mismatch): %s",
        len(wrong),
        len(whole),
        named,
    )
    return np.setdiff1d(np.arange(len(whole)), wrong)


def read_labels(path: Path, mend: str = MEND) -> dict[str, int]:
    """Return id → label from a csv such as Kaggle's; ``mend`` is what gets it right, for the message."""
    rows = [(row["id"], row["label"]) for row in read_rows(path, ("id", "label"), mend)]
    labels = dict(rows)
    if len(labels) != len(rows):
        raise DataError(f"{path}: {len(rows) - len(labels)} ids stand more than once; {mend}")
    wrong = next(((name, label) for name, label in rows if label not in ("0", "1")), None)
    if wrong:
        raise DataError(f"{path}: id {wrong[0]} has label {wrong[1]}; labels are 0 or 1; {mend}")
    return {name: int(label) for name, label in rows}


def submission(
    root: Path, ids: Sequence[str], probability: NDArray[np.float64], kind: str
) -> list[tuple[str, str]]:
    """Return the rows (id, label) of a submission, in the order of Kaggle's sample.

    Args:
        root: folder of sample_submission.csv.
        ids: of the patches that were scored.
        probability: (N,), of the positive class.
        kind: what the label column holds: probability, or class (0 or 1, from 0.5 on).

    Raises:
        DataError: the sample is missing, or names other patches than were scored.
        ConfigError: ``kind`` is neither.
    """
    if kind not in ("probability", "class"):
        raise ConfigError(f"submit={kind} is not known; there is probability, class")
    path = root / "sample_submission.csv"
    wanted = [row["id"] for row in read_rows(path, ("id",), MEND)]
    scored = dict(zip(ids, probability, strict=True))
    for what, names in (
        ("lacks", set(wanted) - set(scored)),
        ("has too", set(scored) - set(wanted)),
    ):
        if names:
            raise DataError(f"the submission {what} {len(names)} ids of {path}, first {min(names)}")
    if len(set(wanted)) != len(wanted):
        raise DataError(f"{path} names {len(wanted) - len(set(wanted))} ids more than once; {MEND}")
    if kind == "class":
        log.warning(
            "submit=class: the board's AUROC of 0 and 1 is balanced accuracy, (sensitivity + specificity) / 2; the ranking is "
            "thrown away. submit=probability keeps it."
        )
        return [(name, str(int(scored[name] >= 0.5))) for name in wanted]
    return [(name, repr(float(scored[name]))) for name in wanted]


def _files(folder: Path, rows: dict[str, int] | None, table: Path) -> list[Path]:
    """Return the tifs to convert, in the order of the csv; folder and csv must name the same patches."""
    if not folder.is_dir():
        raise DataError(f"{folder} is missing; {MEND}")
    files = {path.stem: path for path in sorted(folder.glob("*.tif"))}
    if not files:
        raise DataError(f"{folder} holds no tif; {MEND}")
    if rows is None:
        return list(files.values())
    for present, listed, where, there in (
        (files, rows, folder, table),
        (rows, files, table, folder),
    ):
        odd = [name for name in listed if name not in present]
        if odd:
            raise DataError(f"{len(odd)} ids of {there} are not in {where}, first {odd[0]}; {MEND}")
    return [files[name] for name in rows]
