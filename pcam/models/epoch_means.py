"""Means over an epoch's training patches, summed on the device and read once at its end."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor


class EpochMeans:
    """Sums of per-batch means, weighted by the batches' sizes.

    Nothing waits for the device until `compute`. Logging each step instead would: Lightning reads
    a value that it shows in the progress bar at every step, also without a bar.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._size = 0

    def update(self, values: dict[str, Tensor], size: int) -> None:
        """Add a batch.

        Args:
            values: name to the batch's mean, ().
            size: number of patches.
        """
        for name, value in values.items():
            weighted = value.detach().float() * size
            self._sums[name] = self._sums.get(name, weighted.new_zeros(())) + weighted
        self._size += size

    def totals(self) -> dict[str, Tensor]:
        """Return each name's weighted sum and, as ``size``, the number of patches, ()."""
        device = next(iter(self._sums.values())).device
        return {**self._sums, "size": torch.tensor(self._size, device=device)}

    def state(self, gather: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        """Return what a checkpoint keeps: the totals of each process, (processes,), on the CPU.

        It is empty before an epoch's first batch.

        Args:
            gather: puts the tensors of all processes together, which call this at the same time.
        """
        totals = self.totals() if self._sums else {}
        return {name: gather(total).reshape(-1).cpu() for name, total in totals.items()}

    def restore(self, state: Mapping[str, Tensor], rank: int) -> None:
        """Go on from what `state` returned.

        Args:
            state: of all processes; empty for an epoch's start.
            rank: number of this process.
        """
        self._sums = {name: totals[rank] for name, totals in state.items() if name != "size"}
        self._size = int(state["size"][rank]) if state else 0

    def reset(self) -> None:
        """Start again, for the next epoch."""
        self._sums = {}
        self._size = 0
