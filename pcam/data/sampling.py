"""The order in which a process reads its patches."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from pcam.config.sections import DataConfig
from pcam.data.base import Indices
from pcam.data.randomness import Purpose, draw

SMALL = 1000  # patches that an epoch has at least, with data.patches_per_epoch=auto


@dataclass(frozen=True)
class BatchRequest:
    """The patches of a batch, and what their randomness depends on.

    Attributes:
        epoch: of the draws.
        indices: (n,), of the patches in their source.
        draws: (n,), the number of each patch's draws: its index, plus a multiple of the number of
            patches if the epoch has had it before. So a patch that comes twice is augmented in
            two ways.
    """

    epoch: int
    indices: Indices
    draws: Indices


class PatchOrder(Sampler[BatchRequest]):
    """The batches of one process, each as a request.

    For training: permutations of all patches follow each other, each by (seed, its number), and an
    epoch is the next ``per_epoch`` of them, shared out to the processes in turn. The few patches
    that would give one process more than another, and a last incomplete batch, are left out of this
    epoch. For evaluation: every patch, in order. Where the count does not divide by the
    processes, the first patches are repeated at the end, so that all processes take as many steps;
    whoever gathers predictions counts each index once.

    Args:
        size: number of patches.
        batch_size: patches per batch and process.
        seed: of the permutations.
        training: shuffle, and leave out what is incomplete.
        rank: number of this process.
        world: number of processes.
        epoch: returns the current epoch. It is called when the first batch is asked for, because
            the epoch that Lightning passes to samplers (set_epoch) is one behind after resuming.
        first: returns the number of the first batch to read, called likewise: more than 0 if the
            training was stopped in the middle of the epoch.
        parts: into how many such batches each batch of the config is split. For training, what is
            left out is what whole batches leave out.
        balanced: the labels of the patches, (size,), if an epoch has as many of each class; None
            for permutations of all patches.
        per_epoch: patches of a training epoch, of all processes; None for as many as there are.
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
        first: Callable[[], int] = int,
        parts: int = 1,
        balanced: NDArray[np.uint8] | None = None,
        per_epoch: int | None = None,
    ) -> None:
        self.size = size
        self.per_epoch = per_epoch if training and per_epoch is not None else size
        self.batch_size = batch_size
        self.seed = seed
        self.training = training
        self.rank = rank
        self.world = world
        self.epoch = epoch
        self.first = first
        self.parts = parts
        self.balanced = balanced
        # patches of this process
        self.share = self.per_epoch // world if training else -(-size // world)

    def __len__(self) -> int:
        """Return the batches of an epoch and process; at least one if there are patches."""
        full = self.share // (self.batch_size * self.parts) * self.parts
        if self.training and full:
            return full
        return -(-self.share // self.batch_size)

    def __iter__(self) -> Iterator[BatchRequest]:
        yield from self.batches(self.first() if self.training else 0)

    def batches(self, first: int) -> Iterator[BatchRequest]:
        """Yield the batches of the current epoch.

        Args:
            first: number of the first one; those before it are not read.
        """
        epoch = self.epoch() if self.training else 0
        draws = np.resize(self._order(epoch), self.share * self.world)[self.rank :: self.world]
        for number in range(first, len(self)):
            start = number * self.batch_size
            part = draws[start : start + self.batch_size]
            yield BatchRequest(epoch, part % self.size, part)

    def _order(self, epoch: int) -> Indices:
        """Return the numbers of the draws of an epoch's patches, in their order."""
        if not self.training:
            return np.arange(self.size)
        if self.balanced is None:
            return self._shuffled(epoch)
        generator = draw(self.seed, Purpose.ORDER, epoch)
        return balance_classes(self.balanced, self.per_epoch, generator)

    def _shuffled(self, epoch: int) -> Indices:
        """Return the part of the permutations, one after the other, that an epoch trains on."""
        start = epoch * self.per_epoch
        end = start + self.per_epoch
        first = start // self.size
        last = (end - 1) // self.size
        parts = []
        for number in range(first, last + 1):
            order = draw(self.seed, Purpose.ORDER, number).permutation(self.size)
            parts.append(order + (number - first) * self.size)
        begun = first * self.size
        return np.concatenate(parts)[start - begun : end - begun]


def patches_per_epoch(data: DataConfig, size: int) -> int:
    """Return how many patches an epoch trains on, in all processes.

    Args:
        data: the config's ``data``.
        size: number of training patches.

    Returns:
        With auto: each patch once, or, of a small training split, each as often as makes ``SMALL``
        patches. ``data.limit`` is for a quick try, so with it each patch comes once.
    """
    asked = data.patches_per_epoch
    if asked == "auto":
        is_small = size < SMALL and data.limit is None
        return size * -(-SMALL // size) if is_small else size
    return size if asked is None else asked


def balance_classes(
    labels: NDArray[np.uint8], count: int, generator: np.random.Generator
) -> Indices:
    """Return an epoch with as many patches of each class, to one, in random order.

    Of the larger class a part is drawn, without repetition. The patches of the smaller class come
    as often as needed: no patch comes twice more often than another.

    Args:
        labels: 0 or 1, (N,), both of which occur.
        count: of the epoch's patches.
        generator: of the draws.

    Returns:
        (count,): the index of each patch, plus N for each time that it came before.
    """
    size = len(labels)
    positives = count // 2
    parts = []
    for label, needed in ((0, count - positives), (1, positives)):
        members = np.flatnonzero(labels == label)
        rounds = -(-needed // len(members))
        drawn = [generator.permutation(members) + size * number for number in range(rounds)]
        parts.append(np.concatenate(drawn)[:needed])
    return generator.permutation(np.concatenate(parts))
