"""From a source to batches, read by worker processes or by this one.

A batch is {"image": uint8 (B, 3, H, W), "label": int64 (B,), "index": int64 (B,), "draw": int64
(B,)}; ``BatchRequest`` says what a draw is.
"""

import os
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from pcam.config.sections import WORKER_TIMEOUT
from pcam.data.augment.augmentation import Augmentation
from pcam.data.base import PatchSource
from pcam.data.crop import Crop
from pcam.data.sampling import BatchRequest
from pcam.data.workers import WAITS, PatchLoader, WorkerFailure, is_worker, leave_signals_to_parent
from pcam.errors import PcamError

Batch = dict[str, torch.Tensor]


class PatchDataset(Dataset[Batch]):
    """Patches of a source, read, cropped and augmented a batch at a time.

    What a patch's randomness depends on travels with the request of a batch, so workers need not
    know the epoch.

    Args:
        source: of the patches.
        crop: applied to each batch.
        augment: applied after the crop; None for evaluation.
    """

    def __init__(self, source: PatchSource, crop: Crop, augment: Augmentation | None) -> None:
        self.source = source
        self.crop = crop
        self.augment = augment

    def __len__(self) -> int:
        return len(self.source)

    def __getitems__(self, request: BatchRequest) -> Batch | WorkerFailure:
        """Return a whole batch; there is nothing left to collate.

        A worker returns an expected failure, which ``PatchLoader`` raises.
        """
        try:
            return self._read(request)
        except PcamError as error:
            if not is_worker():
                raise
            return WorkerFailure(type(error), str(error))

    def _read(self, request: BatchRequest) -> Batch:
        index = request.indices
        patches = self.crop(self.source.read(index), request.draws, request.epoch)
        if self.augment is not None:
            patches = self.augment(patches, request.draws, request.epoch)
        # (B, H, W, 3) in memory, viewed as (B, 3, H, W): channels last, without a copy
        image = torch.from_numpy(np.ascontiguousarray(patches)).permute(0, 3, 1, 2)
        batch = {
            "image": image,
            "index": torch.from_numpy(index),
            "draw": torch.from_numpy(request.draws),
        }
        if self.source.labels is not None:
            batch["label"] = torch.from_numpy(self.source.labels[index].astype(np.int64))
        return batch


def resolve_num_workers(setting: int | str) -> int:
    """Return the number of reading processes that ``data.num_workers`` asks for.

    "auto" is 0 on a CPU, where the network's own threads need the cores, else the number of cores
    less one, at most 8.
    """
    if isinstance(setting, int):
        return setting
    if not torch.cuda.is_available():
        return 0
    return min(8, max(1, (os.cpu_count() or 1) - 1))


def make_loader(
    dataset: PatchDataset,
    order: Sampler[Any],
    num_workers: int | str,
    worker_timeout: float | None = WORKER_TIMEOUT,
) -> DataLoader[Batch]:
    """Return the batches of a data set in an order.

    Args:
        dataset: of the patches.
        order: requests of the batches, such as a ``PatchOrder``.
        num_workers: of the config: "auto", or a number of processes.
        worker_timeout: of the config: seconds to wait for a batch of these processes; None for no
            limit.
    """
    count = resolve_num_workers(num_workers)
    timeout = 0.0 if count == 0 or worker_timeout is None else worker_timeout / WAITS
    return PatchLoader(
        dataset,
        batch_sampler=order,
        collate_fn=_keep_batch,
        num_workers=count,
        persistent_workers=count > 0,
        timeout=timeout,
        worker_init_fn=leave_signals_to_parent,
        pin_memory=torch.cuda.is_available(),
    )


def _keep_batch(batch: Any) -> Any:
    """Collate batches that are complete already."""
    return batch
