"""Position embeddings of a vision transformer for another number of patches."""

from collections.abc import Mapping
from math import isqrt

from torch import Tensor, nn

from pcam.models.tensor_checks import describe_unusable

KEY = "pos_embed"


def resample_position_embeddings(
    network: nn.Module, state: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], str]:
    """Resample a state's position embeddings to the input size of a network, as timm does.

    Args:
        network: one of timm's; others are left as they are.
        state: weights by the network's names; its embeddings are (1, tokens, width).

    Returns:
        The state, and what was done: "" if the sizes agree, or the embeddings cannot be used or
        are not those of a square of patches.
    """
    from timm.layers import resample_abs_pos_embed

    found = dict(state)
    given, own = found.get(KEY), getattr(network, KEY, None)
    grid = getattr(getattr(network, "patch_embed", None), "grid_size", None)
    if not isinstance(given, Tensor) or not isinstance(own, Tensor) or grid is None:
        return found, ""
    if describe_unusable({KEY: given}) is not None or given.shape == own.shape:
        return found, ""
    if given.ndim != 3 or given.shape[0] != 1 or given.shape[2] != own.shape[2]:
        return found, ""
    prefix = own.shape[1] - grid[0] * grid[1]  # tokens that are not patches
    patches = given.shape[1] - prefix
    side = isqrt(max(0, patches))
    if side == 0 or side**2 != patches:
        return found, ""
    found[KEY] = resample_abs_pos_embed(given, list(grid), num_prefix_tokens=prefix)
    done = f"{KEY} resampled from {side} x {side} patches to {grid[0]} x {grid[1]}"
    return found, done
