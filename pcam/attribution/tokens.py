"""A vision transformer's tokens: those of the patches form a map."""

from dataclasses import dataclass

from torch import Tensor

from pcam.attribution.layers import count_prefix_tokens, get_body
from pcam.models.network import Network


@dataclass(frozen=True)
class TokenGrid:
    """Where a network's tokens are.

    Attributes:
        prefix: number of tokens before those of the patches: of the class, and registers.
        height: number of patches in a column.
        width: number of patches in a row.
    """

    prefix: int
    height: int
    width: int

    @property
    def count(self) -> int:
        """The number of all tokens, T."""
        return self.prefix + self.height * self.width

    def holds(self, output: object) -> bool:
        """Whether a layer's output is the network's tokens, (B, T, C), in more than one row."""
        return (
            isinstance(output, Tensor)
            and output.ndim == 3
            and output.shape[1] == self.count
            and min(self.height, self.width) > 1
        )

    def to_map(self, tokens: Tensor) -> Tensor:
        """Return the patches' tokens of (B, T, C) as a map, (B, C, height, width)."""
        patches = tokens[:, self.prefix :].transpose(1, 2)
        return patches.reshape(*patches.shape[:2], self.height, self.width)


def find_token_grid(network: Network, x: Tensor) -> TokenGrid | None:
    """Return where a network's tokens are; None if it has none, or not one per patch.

    Args:
        network: that may be one of timm's vision transformers.
        x: normalised patches (B, 3, H, W), before the network resizes them.
    """
    body = get_body(network)
    prefix = count_prefix_tokens(body)
    size_of = getattr(getattr(body, "patch_embed", None), "dynamic_feat_size", None)
    if prefix is None or size_of is None:
        return None
    side = network.input_size
    height, width = size_of(tuple(x.shape[-2:]) if side is None else (side, side))
    return TokenGrid(prefix, height, width)
