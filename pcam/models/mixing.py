"""Mixup: a training batch whose patches are blended with each other (Zhang et al., ICLR 2018)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]  # log-odds (B,) and labels (B,) to losses (B,)


@dataclass(frozen=True)
class Mix:
    """How the patches of a batch are blended.

    Attributes:
        share: of each patch's own pixels and label, from 0.5 to 1.
        partner: (B,), the row that the rest comes from.
    """

    share: float
    partner: Tensor

    def blend(self, images: Tensor) -> Tensor:
        """Return blended images, uint8 (B, 3, H, W) in the memory format that they have."""
        blended = torch.lerp(images[self.partner].float(), images.float(), self.share)
        return blended.round_().to(torch.uint8)

    def blend_losses(self, loss: Loss, logit: Tensor, label: Tensor) -> Tensor:
        """Return the losses (B,) for both labels, blended alike."""
        own, other = loss(logit, label), loss(logit, label[self.partner])
        return self.share * own + (1 - self.share) * other


def draw_mix(alpha: float, size: int, generator: np.random.Generator, device: torch.device) -> Mix:
    """Return a random blend.

    Args:
        alpha: both parameters of the beta distribution that shares are drawn from, more than 0.
        size: of the batch.
        generator: of the draws.
        device: of the batch.
    """
    share = float(generator.beta(alpha, alpha))
    partner = torch.from_numpy(generator.permutation(size)).to(device)
    return Mix(max(share, 1 - share), partner)
