"""The files of features: found by the content that they are of, or computed and written."""

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Sampler
from tqdm import tqdm

from pcam.data.features import HINT, FeatureFile
from pcam.data.reading import make_loader
from pcam.data.sampling import BatchRequest
from pcam.data.storage.hdf5 import replace_hint
from pcam.data.storage.space import require_space
from pcam.data.workers import dead_workers_reported
from pcam.errors import DataError, NotFiniteError
from pcam.features.extractor import Extractor
from pcam.features.partial_file import PartialFile, open_partial
from pcam.features.view import PatchView
from pcam.runs.access import ensure_inside, refuse_link
from pcam.runs.files import write_errors_named, write_json
from pcam.runs.lock import lock_folder
from pcam.stats.formatting import format_size

VERSION = 1  # of the files and of what their keys are made of
KEY_LENGTH = 32  # characters of a SHA-256
NAME = "features.h5"
PARTIAL = "features.part"
KEY = "features.cache"  # of the config

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FeatureCache:
    """A folder of features.

    Each kind has a subfolder, whose name is a SHA-256 of the content: all pixels, the backbone's
    weights, its input, the crop and the augmentation. ``about.json`` there says what it is of.

    Attributes:
        folder: created if it is missing.
        dtype: of the numbers: float32 or float16.
        batch_size: patches that the backbone sees at once.
        num_workers: the config's, for reading patches.
        worker_timeout: likewise.
    """

    folder: Path
    dtype: str
    batch_size: int
    num_workers: int | str
    worker_timeout: float | None

    def obtain(self, extractor: Extractor, view: PatchView) -> FeatureFile:
        """Return the features of patches; compute them if they are not there.

        An interrupted computation is continued. If another process computes the same features,
        this one waits for it.

        Raises:
            AccessError: the files cannot be read now, or are links.
            DataError: a file is damaged, or the disk is too full.
            NotFiniteError: a feature is infinite or not a number.
            RunError: the folder cannot be written.
            WriteError: the file cannot be written.
        """
        about = {
            "version": VERSION,
            "dtype": self.dtype,
            **extractor.describe(),
            **view.describe(),
        }
        folder = self.folder / content_key(about)
        path = folder / NAME
        if path.is_file():
            log.info(f"features of {view.name}: {path}")
        else:
            self._compute(extractor, view, folder, about)
        ensure_inside(path, self.folder)
        file = FeatureFile(path)
        expected = len(view.source), extractor.width
        if file.shape != expected:
            raise DataError(f"{path} has shape {file.shape}, not {expected}; {replace_hint(HINT)}")
        return file

    def _compute(
        self, extractor: Extractor, view: PatchView, folder: Path, about: dict[str, object]
    ) -> None:
        """Compute features into a folder, once of all processes that do so."""
        path = folder / NAME
        with write_errors_named(path):
            self.folder.mkdir(parents=True, exist_ok=True)
            refuse_link(folder)
            with lock_folder(folder, KEY, wait=True):
                if path.is_file():  # another process has just computed them
                    return
                self._require_room(extractor, view, folder)
                write_json(folder / "about.json", about)
                self._fill(extractor, view, folder / PARTIAL)
                os.replace(folder / PARTIAL, path)

    def _require_room(self, extractor: Extractor, view: PatchView, folder: Path) -> None:
        """Say how large the file will be, and make sure that the disk has room for it.

        Raises:
            DataError: it has not.
        """
        count, width = len(view.source), extractor.width
        size = count * width * np.dtype(self.dtype).itemsize
        log.info(
            f"features of {view.name}: {count:,} x {width:,} {self.dtype}, {format_size(size)},"
            f" into {folder}"
        )
        there = folder / PARTIAL
        reserved = there.stat().st_size if there.is_file() else 0
        require_space(folder, max(0, size - reserved) * 1.01, f"(set {KEY})")

    def _fill(self, extractor: Extractor, view: PatchView, partial: Path) -> None:
        """Compute the chunks that are missing."""
        count, width = len(view.source), extractor.width
        with open_partial(partial, count, width, self.dtype) as file, extractor.evaluating():
            missing = file.missing
            left = sum(len(file.rows_of(chunk)) for chunk in missing)
            if left < count:
                log.info(f"features of {view.name}: {count - left:,} of {count:,} are there")
            title = f"features of {view.name}"
            bar = tqdm(total=count, initial=count - left, unit="patch", desc=title, disable=None)
            with bar, dead_workers_reported():
                for chunk, features in self._chunks(extractor, view, file, missing):
                    file.write(chunk, features)
                    bar.update(len(features))
            file.sync()

    def _chunks(
        self, extractor: Extractor, view: PatchView, file: PartialFile, chunks: Sequence[int]
    ) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield chunks with their features, float32 (n, F)."""
        requests = _Requests(file, chunks, self.batch_size, view.copy)
        loader = make_loader(view.dataset(), requests, self.num_workers, self.worker_timeout)
        batches = iter(loader)
        for chunk in chunks:
            rows = file.rows_of(chunk)
            parts: list[torch.Tensor] = []
            while sum(map(len, parts)) < len(rows):
                parts.append(extractor(next(batches)["image"]))
            features = torch.cat(parts).numpy()
            _ensure_finite(features.astype(self.dtype), rows, view)
            yield chunk, features


class _Requests(Sampler[BatchRequest]):
    """The batches of some chunks; each batch is of one chunk.

    Args:
        file: that is written.
        chunks: to compute.
        batch_size: patches of a batch.
        copy: number of the augmented copy.
    """

    def __init__(
        self, file: PartialFile, chunks: Sequence[int], batch_size: int, copy: int
    ) -> None:
        self.requests: list[BatchRequest] = []
        for chunk in chunks:
            rows = np.array(file.rows_of(chunk), np.int64)
            for start in range(0, len(rows), batch_size):
                part = rows[start : start + batch_size]
                self.requests.append(BatchRequest(copy, part, part))

    def __len__(self) -> int:
        return len(self.requests)

    def __iter__(self) -> Iterator[BatchRequest]:
        return iter(self.requests)


def content_key(about: dict[str, object]) -> str:
    """Return a text that is equal for equal content: part of the SHA-256 of plain values."""
    text = json.dumps(about, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


def _ensure_finite(features: np.ndarray, rows: range, view: PatchView) -> None:
    """Make sure that features (n, F) are finite, as they are kept.

    Raises:
        NotFiniteError: they are not; names a patch.
    """
    wrong = np.flatnonzero(~np.isfinite(features).all(1))
    if not len(wrong):
        return
    advice = "; set features.dtype=float32" if features.dtype == np.float16 else ""
    name = view.source.ids[rows[int(wrong[0])]]
    raise NotFiniteError(
        f"features of {view.name}: those of patch {name} are not finite as {features.dtype}"
        f" ({len(wrong)} of {len(rows)} patches){advice}"
    )
