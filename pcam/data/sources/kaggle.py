"""Kaggle's histopathologic-cancer-detection: PCam without copies, one tif per patch."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pcam.config.base import PathText
from pcam.config.classes import TUMOUR
from pcam.config.registry import register_source
from pcam.config.sections import DataConfig
from pcam.data.base import Indices, PatchSource, Pixels, Subset
from pcam.data.provider import SourceProvider, SubmissionRows
from pcam.data.sources.kaggle_files import HINT, files_to_convert, get_kaggle
from pcam.data.storage.csv import read_labels, read_rows, read_slides
from pcam.errors import DataError

log = logging.getLogger(__name__)
Mismatch = Literal["error", "drop", "keep"]
SubmissionKind = Literal["probability", "class"]


class KaggleDataConfig(DataConfig):
    """Kaggle's histopathologic-cancer-detection.

    Attributes:
        root: folder of train/, test/ and train_labels.csv.
        converted: folder of train.h5 and test.h5, which the tifs are converted to at the first use.
        slide_csv: csv of id → slide.
        mismatch: what to do with patches whose id is not the SHA-1 of their pixels.
    """

    name: Literal["kaggle"] = "kaggle"
    root: PathText
    converted: PathText
    slide_csv: PathText | None = None
    mismatch: Mismatch = "error"


class KaggleSource:
    """All patches of Kaggle's train or test folder, read from their conversion to HDF5.

    Attributes:
        labels: uint8 (N,) for train; None for test, whose labels are not public.
        ids: Kaggle's, the SHA-1 of the pixels.
        groups: slide names; None unless a csv of them is given.
        digests: uint8 (N, 20), the SHA-1 that the pixels really have.
        converted: the HDF5 file. It is written once; tifs that change later are not read again. If
            it changes itself, its pixels are compared with their SHA-1 once more.
        file_states: of the HDF5 file.
    """

    def __init__(
        self,
        folder: Literal["train", "test"],
        root: str,
        converted: str,
        slide_csv: str | None = None,
    ) -> None:
        """Open a folder; convert it first if that has not been done.

        Args:
            folder: train or test.
            root: folder of train/, test/ and train_labels.csv.
            converted: folder of the conversion.
            slide_csv: csv of id → slide.

        Raises:
            DataError: files and csv contradict each other, or a file cannot be read or written.
        """
        from pcam.data.storage.conversion import convert
        from pcam.data.storage.hdf5 import PatchArray, replace_hint
        from pcam.data.storage.vectors import read_texts
        from pcam.data.storage.verification import (
            parse_digests,
            require_equal_lengths,
            verify,
        )

        images = Path(root) / folder
        table = Path(root) / "train_labels.csv"
        labels = read_labels(table, HINT) if folder == "train" else None
        self.converted = Path(converted) / f"{folder}.h5"
        if not self.converted.is_file():
            convert(files_to_convert(images, labels, table), self.converted)
        hint = f"the next command converts {images} again"
        self._patches = PatchArray(self.converted, "x", hint)
        self.file_states = [self._patches.state]
        self.ids = read_texts(self.converted, "id", hint)
        sha1 = read_texts(self.converted, "sha1", hint)
        self.digests = parse_digests(self.converted, sha1, hint)
        require_equal_lengths(self.converted, self._patches, self.ids, sha1, hint)
        verify(self.converted, self._patches, self.digests, hint)
        self.labels: NDArray[np.uint8] | None = None
        if labels is not None:
            if set(labels) != set(self.ids) or len(labels) != len(self.ids):
                raise DataError(
                    f"{self.converted} has other ids than {table}; {replace_hint(hint)}"
                )
            self.labels = np.array([labels[name] for name in self.ids], np.uint8)
        self.groups = None
        if slide_csv is not None:
            self.groups = _slides_of(self.ids, Path(slide_csv), required=folder == "train")

    def __len__(self) -> int:
        return len(self.ids)

    def read(self, indices: Indices) -> Pixels:
        """Return the patches, uint8 (n, H, W, 3)."""
        return self._patches.read(indices)


def _slides_of(ids: Sequence[str], path: Path, required: bool) -> list[str] | None:
    """Return the slide of each patch; None where a patch has none and it is not required."""
    slides = read_slides(path)
    without = [name for name in ids if name not in slides]
    if not without:
        return [slides[name] for name in ids]
    if required:
        raise DataError(
            f"{path} has no slide for {len(without)} of {len(ids)} patches, first {without[0]}"
        )
    return None


def apply_mismatch(whole: KaggleSource, mismatch: Mismatch) -> Subset:
    """Return the patches to use, if ids are not the SHA-1 of their pixels.

    Raises:
        DataError: there are such ids, and ``mismatch`` is "error".
    """
    expected = [digest.tobytes().hex() for digest in whole.digests]
    pairs = enumerate(zip(whole.ids, expected, strict=True))
    wrong = [i for i, (name, digest) in pairs if name != digest]
    everything = np.arange(len(whole))
    if not wrong:
        return Subset(whole, everything)
    named = ", ".join(whole.ids[i] for i in wrong[:3])
    if len(wrong) > 3:
        named += ", …"
    fault = f"{len(wrong)} of {len(whole)} ids are not the SHA-1 of their pixels"
    if mismatch == "error":
        raise DataError(
            f"{fault}: {named}; download these files again and remove {whole.converted} to convert"
            " them again, or set data.mismatch=drop or data.mismatch=keep"
        )
    if mismatch == "keep":
        log.warning("%s; kept (data.mismatch): %s", fault, named)
        return Subset(whole, everything)
    log.warning("%s; dropped (data.mismatch): %s", fault, named)
    return Subset(whole, np.setdiff1d(everything, wrong))


def submission_rows(
    root: Path, ids: Sequence[str], probability: NDArray[np.float64], kind: str
) -> SubmissionRows:
    """Return the rows (id, label) of a submission, in the order of Kaggle's sample.

    Args:
        root: folder of sample_submission.csv.
        ids: N scored patches.
        probability: (N,), of the positive class.
        kind: content of the label column: probability, or class (0 or 1, from 0.5).

    Raises:
        DataError: the sample is missing, or names other patches than were scored.
    """
    path = root / "sample_submission.csv"
    wanted = [row["id"] for row in read_rows(path, ("id",), HINT)]
    scored = dict(zip(ids, probability, strict=True))
    missing = set(wanted) - set(scored)
    if missing:
        raise DataError(f"the submission lacks {len(missing)} ids of {path}, first {min(missing)}")
    extra = set(scored) - set(wanted)
    if extra:
        raise DataError(
            f"the submission has {len(extra)} ids that are not in {path}, first {min(extra)}"
        )
    repeated = len(wanted) - len(set(wanted))
    if repeated:
        raise DataError(f"{path} lists {repeated} ids more than once; {HINT}")
    if kind == "class":
        log.warning(
            "submit=class: the leaderboard's AUROC of 0 and 1 is balanced accuracy,"
            " (sensitivity + specificity) / 2; the ranking is lost. submit=probability keeps it."
        )
        return [(name, str(int(scored[name] >= 0.5))) for name in wanted]
    return [(name, repr(float(scored[name]))) for name in wanted]


@register_source("kaggle", config=KaggleDataConfig)
class KaggleData(SourceProvider[KaggleDataConfig]):
    """Kaggle's competition: one labelled folder, and an unlabelled one to predict."""

    patch_size = 96
    class_names = TUMOUR
    unlabelled_split = "predict"
    slides_hint = "data.slide_csv"
    description = (
        "Kaggle's Histopathologic Cancer Detection, PatchCamelyon without its repeated patches:"
        " lymph nodes in haematoxylin and eosin, 0.972 micrometres per pixel."
    )

    def open(self, split: str) -> PatchSource:
        """Open the labelled patches ("train") or the unlabelled test folder ("predict")."""
        config = self.config
        folder: Literal["train", "test"] = "test" if split == "predict" else "train"
        whole = KaggleSource(folder, config.root, config.converted, config.slide_csv)
        return apply_mismatch(whole, config.mismatch)

    @property
    def published_splits(self) -> tuple[str, ...]:
        """Train alone: the labels of the test folder are not public."""
        return ("train",)

    @property
    def centre_labelled(self) -> bool:
        """True: the label is 1 if and only if the centre 32x32 contains tumour."""
        return True

    @property
    def has_unlabelled(self) -> bool:
        """Whether the test folder is there."""
        return (Path(self.config.root) / "test").is_dir()

    def prepare(self, address: str | None = None) -> list[str]:
        """Download the files with Kaggle's own command; see `pcam.data.sources.kaggle_files`."""
        return get_kaggle(Path(self.config.root))

    def submission(
        self, ids: Sequence[str], probability: NDArray[np.float64], kind: str
    ) -> SubmissionRows:
        """Return the rows of a submission.csv; see `submission_rows`."""
        return submission_rows(Path(self.config.root), ids, probability, kind)
