"""From a backbone's last feature map to a vector."""

import torch
from torch import Tensor, nn

from pcam.errors import ConfigError


class PooledBackbone(nn.Sequential):
    """A backbone followed by its pooling. In its state the backbone's keys begin with ``0.``."""


class GlobalAverage(nn.Module):
    """Average a feature map (B, C, h, w) over its positions; features (B, F) stay as they are."""

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C)."""
        if features.ndim == 2:
            return features
        return features.flatten(2).mean(2)


class TokenPool(nn.Module):
    """Tokens (B, T, C) to one vector per image.

    Args:
        kind: cls, the class token; patch_avg, the mean of the patches' tokens; cls_avg, both, one
            after the other.
        prefix: tokens before those of the patches: of the class, and registers.
    """

    def __init__(self, kind: str, prefix: int) -> None:
        super().__init__()
        self.kind = kind
        self.prefix = prefix

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (B, C), or (B, 2 C) for cls_avg."""
        if self.kind == "cls":
            return tokens[:, 0]
        mean = tokens[:, self.prefix :].mean(1)
        if self.kind == "patch_avg":
            return mean
        return torch.cat([tokens[:, 0], mean], 1)


def token_pool(network: nn.Module, name: str, kind: str) -> TokenPool:
    """Return the pooling of a network's tokens.

    Args:
        network: that ends in tokens.
        name: of it, for messages.
        kind: cls, patch_avg or cls_avg.

    Raises:
        ConfigError: it has no tokens, or none of the class.
    """
    prefix = getattr(network, "num_prefix_tokens", None)
    if not isinstance(prefix, int):
        raise ConfigError(f"model.head.pool={kind} needs a vision transformer, not {name}")
    if kind != "patch_avg" and getattr(network, "cls_token", None) is None:
        raise ConfigError(
            f"model.head.pool={kind} needs a class token, which {name} has not; use patch_avg"
        )
    return TokenPool(kind, prefix)
