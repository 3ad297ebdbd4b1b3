"""Patches as a backbone sees them: cropped and augmented in one way, which can be repeated."""

import hashlib
from dataclasses import dataclass

import numpy as np

from pcam.config.sections import AugConfig
from pcam.data.augment.augmentation import Augmentation
from pcam.data.base import PatchSource
from pcam.data.crop import Crop
from pcam.data.reading import PatchDataset

READ_AT_ONCE = 1024  # patches
COPY_SEED = 0  # of crops and augmentation of copies: runs of any seed share them


@dataclass(frozen=True)
class PatchView:
    """Patches, and how they are changed.

    Attributes:
        name: of the patches, for messages: train, valid or test.
        source: the patches.
        digest: of all of their pixels; see ``digest_patches``.
        crop: applied first.
        aug: applied then; None for no augmentation.
        copy: number of the augmented copy, the epoch of its draws.
    """

    name: str
    source: PatchSource
    digest: str
    crop: Crop
    aug: AugConfig | None = None
    copy: int = 0

    def dataset(self) -> PatchDataset:
        """Return the patches as batches are read."""
        augment = None if self.aug is None else Augmentation(self.aug, COPY_SEED)
        return PatchDataset(self.source, self.crop, augment)

    def describe(self) -> dict[str, object]:
        """Return what decides the pixels that the backbone sees, as plain values."""
        crop: dict[str, object] = {"mode": self.crop.mode}
        if self.crop.mode != "none":
            crop["size"] = self.crop.size
        if self.crop.mode == "random":
            crop["seed"] = self.crop.seed
        aug = None
        if self.aug is not None:
            aug = self.aug.model_dump(mode="json", exclude={"batched", "mixup"})
        is_drawn = aug is not None or self.crop.mode == "random"
        return {
            "patches": self.digest,
            "count": len(self.source),
            "crop": crop,
            "augmentation": aug,
            "copy": self.copy if is_drawn else 0,
        }


def digest_patches(source: PatchSource) -> str:
    """Return a SHA-256 of all pixels of a source, in its order, and of the patches' size."""
    digest = hashlib.sha256()
    for start in range(0, len(source), READ_AT_ONCE):
        stop = min(start + READ_AT_ONCE, len(source))
        patches = source.read(np.arange(start, stop))
        if start == 0:
            digest.update(f"{patches.shape[1:]}\n".encode())
        digest.update(np.ascontiguousarray(patches).data)
    return digest.hexdigest()
