"""Features of patches in a file, and batches of them in place of images.

A batch is {"features": float32 (B, F), "label": int64 (B,), "index": int64 (B,)}.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pcam.data.base import Indices
from pcam.data.sampling import BatchRequest, PatchOrder
from pcam.data.storage.hdf5 import open_dataset, replace_hint, row_offsets
from pcam.data.storage.row_file import RowFile
from pcam.errors import DataError

FEATURES = "features"  # of a batch, and of the array in a file
TYPES = ("float32", "float16")  # of the array
HINT = "start the command again to compute the features anew"

Features = NDArray[np.float32]


class FeatureFile:
    """The features of N patches: an array (N, F) of float32 or float16 in an HDF5 file.

    Rows are read from their places in the file, as those of patches are (``RowFile``).

    Args:
        path: of the file.

    Raises:
        AccessError: it cannot be read now.
        DataError: it is damaged, or holds another array.
    """

    def __init__(self, path: Path) -> None:
        dataset = open_dataset(path, FEATURES, HINT)
        with dataset.file:
            self.shape: tuple[int, ...] = dataset.shape
            self.dtype: np.dtype[np.generic] = dataset.dtype
            offsets = row_offsets(dataset) if dataset.ndim == 2 else None
        if offsets is None or self.dtype not in TYPES or not len(offsets):
            raise DataError(f"{path} holds no array of features; {replace_hint(HINT)}")
        self._offsets = offsets
        self._row_bytes = self.shape[1] * self.dtype.itemsize
        self._file = RowFile(path)
        if int(offsets.max()) + self._row_bytes > self._file.state.size:
            raise DataError(f"{path} is cut off; {replace_hint(HINT)}")

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, indices: Indices) -> Features:
        """Return the features of patches, float32 (n, F), in the order of ``indices``.

        Raises:
            AccessError: the system cannot read the file.
            DataError: the file was cut short.
        """
        rows = self._file.read(self._offsets[indices], self._row_bytes)
        return rows.view(self.dtype).astype(np.float32)

    def read_all(self) -> Features:
        """Return the features of all patches, float32 (N, F)."""
        return self.read(np.arange(len(self)))


class FeatureBatches:
    """The batches of one process, as a loader: each pass yields them in the order's order.

    In epoch e a patch has its augmented copy e modulo K. A patch that comes several times in an
    epoch has the next copy each time.

    Args:
        copies: the K files of the split's augmented copies; one without augmentation.
        labels: of the patches, (N,); None for unlabelled ones.
        order: of the batches.
    """

    def __init__(
        self,
        copies: Sequence[FeatureFile],
        labels: NDArray[np.uint8] | None,
        order: PatchOrder,
    ) -> None:
        self.copies = copies
        self.labels = labels
        self.order = order

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for request in self.order:
            yield self._batch(request)

    def _batch(self, request: BatchRequest) -> dict[str, Tensor]:
        batch = {
            FEATURES: torch.from_numpy(self._read(request)),
            "index": torch.from_numpy(request.indices),
        }
        if self.labels is not None:
            batch["label"] = torch.from_numpy(self.labels[request.indices].astype(np.int64))
        return batch

    def _read(self, request: BatchRequest) -> Features:
        """Return the features of a batch, float32 (B, F)."""
        repeats = request.draws // self.order.size
        number = (request.epoch + repeats) % len(self.copies)
        features = np.empty((len(number), self.copies[0].shape[1]), np.float32)
        for copy in np.unique(number):
            chosen = number == copy
            features[chosen] = self.copies[copy].read(request.indices[chosen])
        return features
