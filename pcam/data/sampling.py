"""The order in which a process reads its patches."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from torch.utils.data import Sampler

from pcam.data.base import Indices
from pcam.data.randomness import Purpose, draw

BatchRequest = tuple[int, Indices]  # epoch, and the indices of a batch's patches


class PatchOrder(Sampler[Any]):
    """The batches of one process, each as (epoch, indices).

    For training: a permutation by (seed, epoch), shared out to the processes in turn. The few
    patches that would give one process more than another, and a last incomplete batch, are left out
    of this epoch. For evaluation: every patch, in order. Where the count does not divide by the
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
    ) -> None:
        self.size = size
        self.batch_size = batch_size
        self.seed = seed
        self.training = training
        self.rank = rank
        self.world = world
        self.epoch = epoch
        self.first = first
        self.parts = parts
        # patches of this process
        self.share = size // world if training else -(-size // world)

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
        epoch = 0
        order = np.arange(self.size)
        if self.training:
            epoch = self.epoch()
            order = draw(self.seed, Purpose.ORDER, epoch).permutation(self.size)
        share = np.resize(order, self.share * self.world)[self.rank :: self.world]
        for number in range(first, len(self)):
            start = number * self.batch_size
            yield epoch, share[start : start + self.batch_size]
