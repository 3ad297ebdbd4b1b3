"""From a config to batches: {"image": uint8 (B, 3, H, W), "label": int64 (B,), "index": int64 (B,)}."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset, Sampler

from pcam.data.augment.batched import BatchedAugmentation
from pcam.data.augment.recipes import Augmentation
from pcam.data.base import Indices, PatchSource
from pcam.data.crop import Crop
from pcam.data.loading import SPLITS, open_splits
from pcam.data.randomness import Purpose, draw
from pcam.errors import ConfigError, DataError

Batch = dict[str, torch.Tensor]


class PatchDataset(Dataset[Batch]):
    """Patches of a source, read, cropped and augmented a batch at a time.

    A batch is asked for as (epoch, indices), so that what a patch's randomness depends on travels with the request and no
    worker needs to be told what epoch it is.
    """

    def __init__(self, source: PatchSource, crop: Crop, augment: Augmentation | None) -> None:
        self.source, self.crop, self.augment = source, crop, augment

    def __len__(self) -> int:
        return len(self.source)

    def __getitems__(self, asked: tuple[int, Indices]) -> Batch:
        """Return a batch; the DataLoader's collation has nothing left to do."""
        epoch, index = asked
        patches = self.crop(self.source.read(index), index, epoch)
        if self.augment is not None:
            patches = self.augment(patches, index, epoch)
        batch = {
            # (B, H, W, 3) in memory, seen as (B, 3, H, W): channels last, without a copy
            "image": torch.from_numpy(np.ascontiguousarray(patches)).permute(0, 3, 1, 2),
            "index": torch.from_numpy(index),
        }
        if self.source.labels is not None:
            batch["label"] = torch.from_numpy(self.source.labels[index].astype(np.int64))
        return batch


class PatchOrder(Sampler[Any]):
    """The order of one process's patches, in batches, each as (epoch, indices).

    Training: a permutation by (seed, epoch), dealt to the processes in turn, the few that would give one process more
    than another left out this epoch, and a last batch that is not full too. Evaluation: every patch, in order; where the
    count does not divide, the last are dealt twice so that all processes take as many steps, and the gatherer counts each
    index once.

    The epoch is asked for when an order is drawn: what Lightning tells samplers (set_epoch) is one behind after resuming.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        seed: int,
        training: bool,
        rank: int = 0,
        world: int = 1,
        epoch: Callable[[], int] = int,
    ) -> None:
        self.size, self.seed, self.training, self.rank, self.world = (
            size,
            seed,
            training,
            rank,
            world,
        )
        self.epoch, self.batch_size = epoch, batch_size
        self.share = size // world if training else -(-size // world)  # patches of this process

    def __len__(self) -> int:
        full = self.share // self.batch_size
        return full if self.training and full else -(-self.share // self.batch_size)

    def __iter__(self) -> Iterator[tuple[int, Indices]]:
        epoch = self.epoch() if self.training else 0
        order = (
            draw(self.seed, Purpose.ORDER, epoch).permutation(self.size)
            if self.training
            else np.arange(self.size)
        )
        dealt = np.resize(order, self.share * self.world)[self.rank :: self.world]
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            yield epoch, dealt[start : start + self.batch_size]


def same(batch: Any) -> Any:
    """The collation of batches that are read as batches."""
    return batch


def workers(setting: int | str) -> int:
    """Return how many processes read: ``auto`` is 0 on a CPU (the network's own threads need the cores)."""
    if setting == "auto":
        return min(8, max(1, (os.cpu_count() or 1) - 1)) if torch.cuda.is_available() else 0
    if not isinstance(setting, int) or setting < 0:
        raise ConfigError(f"data.num_workers={setting}; it is auto or a count from 0")
    return setting


def checked_batch(size: object) -> None:
    """Raise a ConfigError where a batch size is no count from 1."""
    if not isinstance(size, int) or size < 1:
        raise ConfigError(f"data.batch_size={size}; it is a count from 1")


def loaded(dataset: PatchDataset, order: PatchOrder, num_workers: int) -> DataLoader[Batch]:
    """Return the batches of a data set in an order."""
    return DataLoader(
        dataset,
        batch_sampler=order,
        collate_fn=same,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        pin_memory=torch.cuda.is_available(),
    )


class PatchDataModule(LightningDataModule):
    """The splits of a source as DataLoaders.

    Args:
        data: the config's ``data``: the source's settings, batch_size, num_workers, limit, duplicates.
        splits: the config's ``splits``.
        crop: the config's ``crop``: size, and the mode of each split.
        aug: the config's ``aug``, for training alone.
        seed: of order, crops and augmentation.
    """

    def __init__(
        self,
        data: Mapping[str, Any],
        splits: Mapping[str, Any],
        crop: Mapping[str, Any],
        aug: Mapping[str, Any],
        seed: int,
    ) -> None:
        super().__init__()
        self.batch_size, self.num_workers, self.seed = (
            data["batch_size"],
            workers(data["num_workers"]),
            seed,
        )
        checked_batch(self.batch_size)
        self.crops = {split: Crop(crop[split], crop["size"], seed) for split in SPLITS}
        self.augment = None if aug["batched"] else Augmentation(aug, seed)
        self.opened = open_splits(data, splits, seed)
        self.sources = self.opened.splits
        self.batched = (
            BatchedAugmentation(aug, seed, len(self.sources["train"])) if aug["batched"] else None
        )

    @property
    def final_split(self) -> str:
        """The split of the final table: test, or valid where the source has no labelled test."""
        return list(self.sources)[-1]

    def epoch(self) -> int:
        """Return the epoch that is being trained, counted from 0."""
        return 0 if self.trainer is None else self.trainer.current_epoch

    def dataset(self, split: str) -> PatchDataset:
        """Return a split as it is read: train augmented, the others not."""
        return PatchDataset(
            self.sources[split], self.crops[split], self.augment if split == "train" else None
        )

    def loader(self, split: str, training: bool = False) -> DataLoader[Batch]:
        """Return the loader of a split; for training shuffled, and without a last batch that is not full."""
        dataset = self.dataset(split)
        rank, world = (
            (self.trainer.global_rank, self.trainer.world_size)
            if self.trainer is not None
            else (0, 1)
        )
        order = PatchOrder(
            len(dataset), self.batch_size, self.seed, training, rank, world, self.epoch
        )
        if training and len(order) == 0:
            raise DataError(f"{split} has {len(dataset)} patches, fewer than processes ({world})")
        return loaded(dataset, order, self.num_workers)

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Move a batch; where augmentation is batched, a training batch is augmented there."""
        if self.batched is None or self.trainer is None or not self.trainer.training:
            return super().transfer_batch_to_device(batch, device, dataloader_idx)  # type: ignore[no-any-return]
        draws = self.batched.draws(batch["index"].numpy(), self.epoch())
        moved: Batch = super().transfer_batch_to_device(batch, device, dataloader_idx)
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
        """Return a SHA-256 per split, of its ids, its labels and 64 evenly spaced patches' pixels."""
        return {split: fingerprint(source) for split, source in self.sources.items()}


def fingerprint(source: PatchSource) -> str:
    """Return a SHA-256 of a source's ids, its labels and the pixels of 64 evenly spaced patches."""
    digest = hashlib.sha256("\n".join(source.ids).encode())
    if source.labels is not None:
        digest.update(source.labels.tobytes())
    sample = np.unique(np.linspace(0, len(source) - 1, 64).astype(np.int64))
    digest.update(source.read(sample).tobytes())
    return digest.hexdigest()
