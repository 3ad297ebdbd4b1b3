"""From a config to batches.

``reading`` says what a batch is.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader

from pcam.config.classes import Classes
from pcam.config.sections import AugConfig, CropConfig, DataConfig, SplitsConfig
from pcam.data.augment.augmentation import Augmentation, require_square
from pcam.data.augment.batched import BatchedAugmentation
from pcam.data.base import Indices, PatchSource
from pcam.data.crop import Crop
from pcam.data.features import FeatureBatches, FeatureFile
from pcam.data.file_state import FileState
from pcam.data.loading import open_splits
from pcam.data.provider import SPLITS
from pcam.data.reading import Batch, PatchDataset, make_loader
from pcam.data.residency import Residency
from pcam.data.resident import ResidentBatches, ResidentPatches
from pcam.data.sampling import PatchOrder, patches_per_epoch
from pcam.data.watching import file_states
from pcam.errors import DataError
from pcam.stats.formatting import pluralize

Loader = DataLoader[Batch] | ResidentBatches | FeatureBatches

EVALUATED_AT_ONCE = 4  # training batches: without gradients they take less memory than one does


class PatchDataModule(LightningDataModule):
    """The splits of a source as DataLoaders.

    Args:
        data: the config's ``data``.
        splits: the config's ``splits``.
        crop: the config's ``crop``: size, and the mode of each split.
        aug: the config's ``aug``, for training alone.
        seed: of order, crops and augmentation.
        parts: into which each batch is split, one after the other.

    Attributes:
        batch_size: patches of a part.
        opened: the splits, and how the patches were split.
        sources: name of each split to its source.
        per_epoch: patches that an epoch trains on, of all processes.
        file_states: of the files that patches are read from, as they were when they were opened.
        features: files of the features of each split, of which batches are made in place of images;
            of train one per augmented copy. None for batches of images.
    """

    def __init__(
        self,
        data: DataConfig,
        splits: SplitsConfig,
        crop: CropConfig,
        aug: AugConfig,
        seed: int,
        parts: int = 1,
    ) -> None:
        super().__init__()
        self.parts = parts
        self.batch_size = data.batch_size // parts
        self.sampler = data.sampler
        self.num_workers = data.num_workers
        self.worker_timeout = data.worker_timeout
        self.seed = seed
        self.crops = {split: Crop(getattr(crop, split), crop.size, seed) for split in SPLITS}
        self.opened = open_splits(data, splits, seed)
        self.sources = self.opened.splits
        self.per_epoch = patches_per_epoch(data, len(self.sources["train"]))
        self.file_states = _distinct_states(self.sources.values())
        self.features: Mapping[str, Sequence[FeatureFile]] | None = None
        self._fingerprint: dict[str, str] | None = None
        if self.opened.size is not None and not self.crops["train"].cuts:
            require_square(aug, self.opened.size)
        self.augment: Augmentation | None = None
        self.batched: BatchedAugmentation | None = None
        self.residency = Residency(data.resident, data.num_workers, data.worker_timeout)
        if aug.batched is True:
            self.batched = BatchedAugmentation(aug, seed, len(self.sources["train"]))
        elif aug.name != "none":
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

    def first_batch(self) -> int:
        """Return the number of the next training batch of the current epoch, from 0."""
        return 0 if self.trainer is None else self.trainer.fit_loop.batch_idx + 1

    def whole_batches(self, processes: int) -> int:
        """Return how many whole batches an epoch of each of some processes has."""
        share = self.per_epoch // processes
        return max(1, share // (self.batch_size * self.parts))

    def fills_a_batch(self) -> bool:
        """Return whether this process has as many training patches as a batch."""
        return self._order("train", training=True).share >= self.batch_size * self.parts

    def dataset(self, split: str) -> PatchDataset:
        """Return the patches of a split as batches are read: only train is augmented."""
        augment = self.augment if split == "train" else None
        return PatchDataset(self.sources[split], self.crops[split], augment)

    def loader(self, split: str, training: bool = False) -> Loader:
        """Return the loader of a split.

        Args:
            split: name of it.
            training: shuffle, and leave out a last incomplete batch.

        Raises:
            DataError: there are fewer training patches than processes.
        """
        order = self._order(split, training)
        if training and len(order) == 0:
            raise DataError(
                f"an epoch has {pluralize(order.per_epoch, 'patch')}, fewer than processes"
                f" ({order.world})"
            )
        if self.features is not None:
            return FeatureBatches(self.features[split], self.sources[split].labels, order)
        patches = self.resident_patches(split)
        if patches is None:
            return make_loader(self.dataset(split), order, self.num_workers, self.worker_timeout)
        crop = self.crops[split] if self.crops[split].mode == "random" else None
        return ResidentBatches(patches, order, crop, self.batched if training else None)

    def _order(self, split: str, training: bool) -> PatchOrder:
        """Return the order of this process's batches."""
        rank, world = 0, 1
        if self.trainer is not None:
            rank, world = self.trainer.global_rank, self.trainer.world_size
        source, batch_size = self.sources[split], self.batch_size
        if not training and self._is_on_gpu(split):
            batch_size *= EVALUATED_AT_ONCE
        is_balanced = training and self.sampler == "balanced"
        return PatchOrder(
            len(source),
            batch_size,
            self.seed,
            training,
            rank=rank,
            world=world,
            epoch=self.epoch,
            first=self.first_batch,
            parts=self.parts,
            balanced=source.labels if is_balanced else None,
            per_epoch=self.per_epoch,
        )

    def _train_is_resident(self) -> bool:
        return self.resident_patches("train") is not None

    def _is_on_gpu(self, split: str) -> bool:
        patches = self.resident_patches(split)
        return patches is not None and patches.images.is_cuda

    def resident_patches(self, split: str) -> ResidentPatches | None:
        """Return the patches of a split on the device; None if they are read in each epoch.

        They are copied once, cropped unless crops are random.
        """
        if self.trainer is None or self.features is not None:
            return None
        if split == "train" and self.augment is not None:
            return None  # albumentations needs the patches on the CPU
        source, crop = self.sources[split], self.crops[split]
        fixed = Crop("none") if crop.mode == "random" else crop
        return self.residency.patches(split, source, fixed, self.trainer.strategy.root_device)

    def training_batch(self, batch: int) -> Indices:
        """Return the patches of a batch of the current epoch and this process.

        Args:
            batch: its number, from 0.
        """
        request = next(self._order("train", training=True).batches(batch))
        return request.indices

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Move a batch to the device, and augment a training batch there if ``aug.batched``.

        The numbers of its draws stay behind.
        """
        if self.trainer is not None and self.trainer.training and self._train_is_resident():
            return batch  # on the device, and augmented
        sent = {name: column for name, column in batch.items() if name != "draw"}
        moved: Batch = super().transfer_batch_to_device(sent, device, dataloader_idx)
        if self.batched is None or self.trainer is None or not self.trainer.training:
            return moved
        draws = self.batched.draws(batch["draw"].numpy(), self.epoch())
        return {**moved, "image": self.batched(moved["image"], draws)}

    def train_dataloader(self) -> Loader:
        """Return the shuffled, augmented training batches."""
        return self.loader("train", training=True)

    def val_dataloader(self) -> Loader:
        """Return the valid split, in order."""
        return self.loader("valid")

    def test_dataloader(self) -> Loader:
        """Return the final split, in order."""
        return self.loader(self.final_split)

    def fingerprint(self) -> dict[str, str]:
        """Return a SHA-256 per split of the patches as they were at first; see `fingerprint`."""
        if self._fingerprint is None:
            self._fingerprint = {name: fingerprint(of) for name, of in self.sources.items()}
        return self._fingerprint


def _distinct_states(sources: Iterable[PatchSource]) -> list[FileState]:
    """Return the states of the files of some sources, each file once."""
    states: dict[FileState, None] = {}
    for source in sources:
        states.update(dict.fromkeys(file_states(source)))
    return list(states)


def fingerprint(source: PatchSource) -> str:
    """Return a SHA-256 of a source's ids, its labels and the pixels of 64 evenly spaced patches."""
    digest = hashlib.sha256("\n".join(source.ids).encode())
    if source.labels is not None:
        digest.update(source.labels.tobytes())
    sample = np.unique(np.linspace(0, len(source) - 1, 64).astype(np.int64))
    digest.update(source.read(sample).tobytes())
    return digest.hexdigest()
