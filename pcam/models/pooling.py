"""From a backbone's last feature map to a vector."""

from torch import Tensor, nn


class PooledBackbone(nn.Sequential):
    """A backbone followed by its pooling. In its state the backbone's keys begin with ``0.``."""


class GlobalAverage(nn.Module):
    """Average a feature map (B, C, h, w) over its positions; features (B, F) stay as they are."""

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C)."""
        if features.ndim == 2:
            return features
        return features.flatten(2).mean(2)
