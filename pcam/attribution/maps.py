"""The maps that an attribution method returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

TOLERANCE = 0.01  # largest gap of a complete map, as a share of the change of the log-odds


@dataclass(frozen=True)
class Maps:
    """Maps of some patches.

    Attributes:
        values: float32 (B, H, W).
        gap: float32 (B,), |sum of the attributions - (f(x) - f(baseline))| as a share of
            |f(x) - f(baseline)|; NaN for methods that are not complete by construction.
        steps: int64 (B,), number of steps that integrated gradients took; 0 for other methods.
    """

    values: Tensor
    gap: Tensor
    steps: Tensor

    @property
    def complete(self) -> bool:
        """Whether the method promises that a map's sum is the change of the log-odds."""
        return not bool(self.gap.isnan().all())


def maps_of_values(values: Tensor) -> Maps:
    """Return maps (B, H, W) of a method that makes no promise about their sum."""
    import torch

    count = len(values)
    gap = torch.full((count,), torch.nan)
    steps = torch.zeros(count, dtype=torch.int64)
    return Maps(values, gap, steps)


def concatenate_maps(parts: list[Maps]) -> Maps:
    """Return several maps as one.

    Args:
        parts: maps of one method, of patches of one size.
    """
    import torch

    return Maps(
        values=torch.cat([part.values for part in parts]),
        gap=torch.cat([part.gap for part in parts]),
        steps=torch.cat([part.steps for part in parts]),
    )
