"""From a config to batches.

A batch is {"image": uint8 (B, 3, H, W), "label": int64 (B,), "index": int64 (B,)}.
"""

import hashlib
import itertools
import os
from typing import Any

import numpy as np
import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset

from pcam.config.classes import Classes
from pcam.config.sections import AugConfig, CropConfig, DataConfig, SplitsConfig
from pcam.data.augment.augmentation import Augmentation, require_square
from pcam.data.augment.batched import BatchedAugmentation
from pcam.data.base import Indices, PatchSource
from pcam.data.crop import Crop
from pcam.data.loading import open_splits
from pcam.data.provider import SPLITS
from pcam.data.sampling import BatchRequest, PatchOrder
from pcam.data.workers import PatchLoader, WorkerFailure, is_worker
from pcam.errors import DataError, PcamError

Batch = dict[str, torch.Tensor]


class PatchDataset(Dataset[Batch]):
    """Patches of a source, read, cropped and augmented a batch at a time.

    A batch is requested as (epoch, indices): what a patch's randomness depends on travels with the
    request, so workers need not know the epoch.

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
        epoch, index = request
        patches = self.crop(self.source.read(index), index, epoch)
        if self.augment is not None:
            patches = self.augment(patches, index, epoch)
        # (B, H, W, 3) in memory, viewed as (B, 3, H, W): channels last, without a copy
        image = torch.from_numpy(np.ascontiguousarray(patches)).permute(0, 3, 1, 2)
        batch = {"image": image, "index": torch.from_numpy(index)}
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
    dataset: PatchDataset, order: PatchOrder, num_workers: int | str
) -> DataLoader[Batch]:
    """Return the batches of a data set in an order.

    Args:
        dataset: of the patches.
        order: of the batches.
        num_workers: of the config: "auto", or a number of processes.
    """
    count = resolve_num_workers(num_workers)
    return PatchLoader(
        dataset,
        batch_sampler=order,
        collate_fn=_keep_batch,
        num_workers=count,
        persistent_workers=count > 0,
        pin_memory=torch.cuda.is_available(),
    )


def _keep_batch(batch: Any) -> Any:
    """Collate batches that are complete already."""
    return batch


class PatchDataModule(LightningDataModule):
    """The splits of a source as DataLoaders.

    Args:
        data: the config's ``data``.
        splits: the config's ``splits``.
        crop: the config's ``crop``: size, and the mode of each split.
        aug: the config's ``aug``, for training alone.
        seed: of order, crops and augmentation.

    Attributes:
        opened: the splits, and how the patches were split.
        sources: name of each split to its source.
    """

    def __init__(
        self,
        data: DataConfig,
        splits: SplitsConfig,
        crop: CropConfig,
        aug: AugConfig,
        seed: int,
    ) -> None:
        super().__init__()
        self.batch_size = data.batch_size
        self.num_workers = data.num_workers
        self.seed = seed
        self.crops = {split: Crop(getattr(crop, split), crop.size, seed) for split in SPLITS}
        self.opened = open_splits(data, splits, seed)
        self.sources = self.opened.splits
        if self.opened.size is not None and not self.crops["train"].cuts:
            require_square(aug, self.opened.size)
        self.augment: Augmentation | None = None
        self.batched: BatchedAugmentation | None = None
        if aug.batched:
            self.batched = BatchedAugmentation(aug, seed, len(self.sources["train"]))
        else:
            self.augment = Augmentation(aug, seed)

    @property
    def classes(self) -> Classes:
        """The names of the labels 0 and 1."""
        return self.opened.classes

    @property
    def final_split(self) -> str:
        """The split of the final table: test, or valid where there is no labelled test."""
        return list(self.sources)[-1]

    def epoch(self) -> int:
        """Return the epoch that is being trained, counted from 0."""
        return 0 if self.trainer is None else self.trainer.current_epoch

    def dataset(self, split: str) -> PatchDataset:
        """Return the patches of a split as batches are read: only train is augmented."""
        augment = self.augment if split == "train" else None
        return PatchDataset(self.sources[split], self.crops[split], augment)

    def loader(self, split: str, training: bool = False) -> DataLoader[Batch]:
        """Return the loader of a split.

        Args:
            split: name of it.
            training: shuffle, and leave out a last incomplete batch.

        Raises:
            DataError: there are fewer training patches than processes.
        """
        dataset = self.dataset(split)
        order = self._order(split, training)
        if training and len(order) == 0:
            raise DataError(
                f"{split} has {len(dataset)} patches, fewer than processes ({order.world})"
            )
        return make_loader(dataset, order, self.num_workers)

    def _order(self, split: str, training: bool) -> PatchOrder:
        """Return the order of this process's batches."""
        rank, world = 0, 1
        if self.trainer is not None:
            rank, world = self.trainer.global_rank, self.trainer.world_size
        size = len(self.sources[split])
        return PatchOrder(size, self.batch_size, self.seed, training, rank, world, self.epoch)

    def training_batch(self, batch: int) -> Indices:
        """Return the patches of a batch of the current epoch and this process.

        Args:
            batch: its number, from 0.
        """
        requests = self._order("train", training=True)
        _, indices = next(itertools.islice(requests, batch, None))
        return indices

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Move a batch to the device, and augment a training batch there if ``aug.batched``."""
        moved: Batch = super().transfer_batch_to_device(batch, device, dataloader_idx)
        if self.batched is None or self.trainer is None or not self.trainer.training:
            return moved
        draws = self.batched.draws(batch["index"].numpy(), self.epoch())
        return {**moved, "image": self.batched(moved["image"], draws)}

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return the shuffled, augmented training batches."""
        return self.loader("train", training=True)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Return the valid split, in order."""
        return self.loader("valid")

    def test_dataloader(self) -> DataLoader[Batch]:
        """Return the final split, in order."""
        return self.loader(self.final_split)

    def fingerprint(self) -> dict[str, str]:
        """Return a SHA-256 per split; see `fingerprint`."""
        return {split: fingerprint(source) for split, source in self.sources.items()}


def fingerprint(source: PatchSource) -> str:
    """Return a SHA-256 of a source's ids, its labels and the pixels of 64 evenly spaced patches."""
    digest = hashlib.sha256("\n".join(source.ids).encode())
    if source.labels is not None:
        digest.update(source.labels.tobytes())
    sample = np.unique(np.linspace(0, len(source) - 1, 64).astype(np.int64))
    digest.update(source.read(sample).tobytes())
    return digest.hexdigest()
