"""Means over an epoch's training patches, summed on the device and read once at its end."""

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

    def state(self) -> dict[str, Tensor]:
        """Return the sums and, as ``size``, the number of patches, (); empty after `reset`."""
        return self.totals() if self._sums else {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from what `state` returned."""
        self._sums = {name: value for name, value in state.items() if name != "size"}
        self._size = int(state["size"]) if self._sums else 0

    def reset(self) -> None:
        """Start again, for the next epoch."""
        self._sums = {}
        self._size = 0
