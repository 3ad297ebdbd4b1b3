"""Which splits stay on the training's device."""

import logging
from typing import Literal

import numpy as np
import torch

from pcam.data.base import PatchSource
from pcam.data.crop import Crop
from pcam.data.reading import PatchDataset, make_loader
from pcam.data.resident import ResidentPatches, load_resident
from pcam.data.sampling import PatchOrder

log = logging.getLogger(__name__)

READ_AT_ONCE = 1024  # patches, when they are copied to a device
FREE_SHARE = 0.5  # of a GPU's free memory that patches may take; the network needs the rest


class Residency:
    """The splits that are on a device, each copied when it is first asked for.

    Args:
        setting: the config's ``data.resident``; auto: on a GPU, if the patches fit.
        num_workers: the config's, for the copy.
        worker_timeout: likewise.
    """

    def __init__(
        self,
        setting: bool | Literal["auto"],
        num_workers: int | str,
        worker_timeout: float | None,
    ) -> None:
        self.setting = setting
        self.num_workers = num_workers
        self.worker_timeout = worker_timeout
        self._splits: dict[str, ResidentPatches | None] = {}

    def patches(
        self, split: str, source: PatchSource, crop: Crop, device: torch.device
    ) -> ResidentPatches | None:
        """Return the patches of a split on a device; None if they do not stay there.

        Args:
            split: its name.
            source: its patches.
            crop: applied before they are copied; the same in every epoch.
            device: of the training.
        """
        if split not in self._splits:
            wanted = self._is_wanted(split, source, crop, device)
            self._splits[split] = self._load(source, crop, device) if wanted else None
        return self._splits[split]

    def _is_wanted(self, split: str, source: PatchSource, crop: Crop, device: torch.device) -> bool:
        if self.setting != "auto":
            return self.setting
        if device.type != "cuda":
            return False
        first = np.array([0])
        needed = len(source) * crop(source.read(first), first, 0).nbytes
        free, _ = torch.cuda.mem_get_info(device)
        if needed > FREE_SHARE * free:
            log.info(
                "%s: %.1f GB of patches are read in each epoch; %.1f GB would fit on the GPU",
                *(split, needed / 1e9, FREE_SHARE * free / 1e9),
            )
        return needed <= FREE_SHARE * free

    def _load(self, source: PatchSource, crop: Crop, device: torch.device) -> ResidentPatches:
        dataset = PatchDataset(source, crop, None)
        order = PatchOrder(len(source), READ_AT_ONCE, seed=0, training=False)
        loader = make_loader(dataset, order, self.num_workers, self.worker_timeout)
        return load_resident(source, loader, device)
