"""Patches that stay on the training's device, and batches of them.

A batch is an index into them: nothing is read, sent or waited for in a step. What happens to a
patch is drawn from (seed, purpose, epoch, patch), as elsewhere, so the batches are those that
worker processes would make.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pcam.data.augment.batched import BatchedAugmentation, send
from pcam.data.base import Indices, PatchSource
from pcam.data.crop import Crop
from pcam.data.sampling import BatchRequest, PatchOrder

Batch = dict[str, Tensor]

AT_ONCE = 2048  # patches that are cropped and augmented together: few kernels per step


@dataclass(frozen=True)
class ResidentPatches:
    """The patches of a split on a device.

    Attributes:
        images: uint8 (N, H, W, 3).
        labels: int64 (N,); None for unlabelled patches.
    """

    images: Tensor
    labels: Tensor | None


def load_resident(
    source: PatchSource, batches: Iterable[Batch], device: torch.device
) -> ResidentPatches:
    """Copy patches to a device.

    Args:
        source: of the patches.
        batches: all patches in order, a few at a time.
        device: to copy to.
    """
    images: Tensor | None = None
    start = 0
    for batch in batches:
        part = batch["image"].permute(0, 2, 3, 1)
        if images is None:
            images = torch.empty((len(source), *part.shape[1:]), dtype=torch.uint8, device=device)
        images[start : start + len(part)].copy_(part, non_blocking=True)
        start += len(part)
    assert images is not None
    labels = None
    if source.labels is not None:
        labels = torch.from_numpy(source.labels.astype(np.int64)).to(device)
    return ResidentPatches(images, labels)


class ResidentBatches:
    """The batches of one process, as a loader: each pass yields them in the order's order.

    Args:
        patches: of the split, on the device; cropped already, unless crops are random.
        order: of the batches.
        crop: cuts a square at random places; None if there is nothing to cut.
        augment: applied after the crop; None for evaluation.
    """

    def __init__(
        self,
        patches: ResidentPatches,
        order: PatchOrder,
        crop: Crop | None,
        augment: BatchedAugmentation | None,
    ) -> None:
        self.patches = patches
        self.order = order
        self.crop = crop
        self.augment = augment

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[Batch]:
        first = self.order.first() if self.order.training else 0
        together = max(1, AT_ONCE // self.order.batch_size)
        # The same patches are prepared together wherever an epoch goes on: sums may round by shape
        trained = first % together
        yield from itertools.islice(self._groups(first - trained, together), trained, None)

    def _groups(self, first: int, together: int) -> Iterator[Batch]:
        """Yield the batches of an epoch.

        Args:
            first: number of the first one.
            together: how many are prepared at once.
        """
        requests = self.order.batches(first)
        while group := list(itertools.islice(requests, together)):
            yield from self._batches(group)

    def _batches(self, requests: list[BatchRequest]) -> Iterator[Batch]:
        """Yield batches of one epoch; their patches are prepared together."""
        epoch = requests[0].epoch
        sizes = [len(request.indices) for request in requests]
        indices = np.concatenate([request.indices for request in requests])
        draws = np.concatenate([request.draws for request in requests])
        index = send(indices, self.patches.images.device)
        columns = {"image": self._images(index, draws, epoch), "index": index}
        if self.patches.labels is not None:
            columns["label"] = self.patches.labels[index]
        split = {name: torch.split(column, sizes) for name, column in columns.items()}
        for number in range(len(sizes)):
            yield {name: parts[number] for name, parts in split.items()}

    def _images(self, index: Tensor, draws: Indices, epoch: int) -> Tensor:
        """Return patches (n, 3, H, W), channels last in memory, cropped and augmented.

        Args:
            index: of the patches, on the device.
            draws: (n,), the number of each patch's draws; see ``BatchRequest``.
            epoch: of the draws.
        """
        images = self.patches.images[index]
        if self.crop is not None and self.crop.size is not None:
            room = np.array(images.shape[1:3]) - self.crop.size
            corners = self.crop.draw_corners(room, draws, epoch)
            images = cut_squares(images, corners, self.crop.size)
        images = images.permute(0, 3, 1, 2)
        if self.augment is not None:
            images = self.augment(images, self.augment.draws(draws, epoch))
        return images


def cut_squares(images: Tensor, corners: NDArray[np.int64], size: int) -> Tensor:
    """Return a square of each image, (n, size, size, 3).

    Args:
        images: (n, H, W, 3).
        corners: (n, 2), top and left of the squares.
        size: of the squares, pixels.
    """
    n, height, width = images.shape[:3]
    top, left = send(corners.T, images.device)
    span = torch.arange(size, device=images.device)
    rows = torch.arange(n, device=images.device)[:, None] * height + top[:, None] + span
    places = rows[:, :, None] * width + (left[:, None] + span)[:, None, :]
    return images.reshape(n * height * width, 3)[places]
