"""Attention rollout (Abnar & Zuidema 2020), for timm's vision transformers.

A block's attention, the mean over its heads, is averaged with the identity, which stands for the
shortcut; the product over the blocks says how much of each input token the last tokens hold. It
needs no gradient and no head, so it is the same whichever class is explained.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from pcam.attribution.context import AttributionContext
from pcam.attribution.layers import get_body
from pcam.attribution.tokens import TokenGrid, find_token_grid
from pcam.models.network import Network
from pcam.models.pooling import PooledBackbone, TokenPool


def compute_rollout(context: AttributionContext, x: Tensor) -> Tensor:
    """Return how much of each patch's token the network's features hold, (B, h, w).

    Without the tokens of the class and registers, so a map's sum is below 1.

    Args:
        context: of a network for which ``rollout_fault`` returns None.
        x: normalised patches (B, 3, H, W).
    """
    network = context.scorer.network
    grid = find_token_grid(network, x)
    assert grid is not None
    weights = weigh_last_tokens(network, grid)
    assert weights is not None
    shares = weights.to(x.device) @ roll_out(record_attention(context, x))
    return grid.to_map(shares[:, :, None])[:, 0]


def rollout_fault(context: AttributionContext, x: Tensor) -> str | None:
    """Return why rollout does not apply to a network; None if it does.

    Args:
        context: of the network.
        x: a few normalised patches (B, 3, H, W).
    """
    network = context.scorer.network
    grid = find_token_grid(network, x)
    if grid is None:
        return "the network is no vision transformer of timm's with a token per patch"
    blocks = getattr(get_body(network), "blocks", ())
    maps = record_attention(context, x)
    square = all(one.shape[1:] == (grid.count, grid.count) for one in maps)
    if len(maps) != len(blocks) or not square:
        return "not every block of the network has one softmax attention among all tokens"
    if weigh_last_tokens(network, grid) is None:
        return "its pooling of the last tokens is neither a class token nor a mean"
    return None


def roll_out(maps: Sequence[Tensor]) -> Tensor:
    """Return how much of each input token (last axis) the last tokens hold, (B, T, T).

    Args:
        maps: the attention of each block, (B, T, T), each row's sum 1.
    """
    identity = torch.eye(maps[0].shape[-1], device=maps[0].device)
    shares = identity
    for attention in maps:
        shares = (attention + identity) / 2 @ shares
    return shares


def weigh_last_tokens(network: Network, grid: TokenGrid) -> Tensor | None:
    """Return the share of each last token in the features, (T,).

    Args:
        network: a transformer.
        grid: its tokens.

    Returns:
        1 for the class token where it alone is pooled; equal shares of the patches' tokens where
        their mean is; half of each for both; equal shares of all tokens where all are used. None
        for another pooling.
    """
    first = torch.zeros(grid.count)
    first[0] = 1.0
    patches = torch.ones(grid.count)
    patches[: grid.prefix] = 0.0
    patches /= patches.sum()
    known = {
        "cls": first,
        "patch_avg": patches,
        "cls_avg": (first + patches) / 2,
        "all": torch.full((grid.count,), 1 / grid.count),
    }
    return known.get(_pooling_kind(network))


def _pooling_kind(network: Network) -> str:
    """Return what is pooled: cls, patch_avg, cls_avg, all, or another word."""
    backbone, body = network.backbone, get_body(network)
    if isinstance(backbone, PooledBackbone):
        pooling = backbone[1]
        if isinstance(pooling, TokenPool):
            return pooling.kind
        if isinstance(pooling, nn.Flatten):
            return "all"
    if getattr(body, "dist_token", None) is not None:
        return "class and distillation token"
    pool = str(getattr(body, "global_pool", ""))
    if pool == "avg":
        return "all" if getattr(body, "pool_include_prefix", False) else "patch_avg"
    return "cls" if pool == "token" else pool


def record_attention(context: AttributionContext, x: Tensor) -> list[Tensor]:
    """Return the attention of each of a network's blocks, the mean over its heads, (B, T, T).

    Args:
        context: of the network.
        x: normalised patches (B, 3, H, W).
    """
    with _recording(get_body(context.scorer.network)) as maps, torch.no_grad():
        context.scorer(x)
    return maps


@contextmanager
def _recording(body: nn.Module) -> Iterator[list[Tensor]]:
    """Let timm's attention layers calculate their weights, and record them.

    Fused attention never has the weights as a tensor, so it is switched off meanwhile. The
    dropout after the softmax is then given them.
    """
    layers = _attention_layers(body)
    fused = [layer.fused_attn for layer in layers]
    maps: list[Tensor] = []
    handles = []
    for layer, dropout in layers.items():
        record = partial(_record, maps, layer)
        handles.append(dropout.register_forward_pre_hook(record))
        layer.fused_attn = False  # type: ignore[assignment]
    try:
        yield maps
    finally:
        for handle in handles:
            handle.remove()
        for layer, value in zip(layers, fused, strict=True):
            layer.fused_attn = value


def _attention_layers(body: nn.Module) -> dict[nn.Module, nn.Module]:
    """Return a network's attention layers with the dropout of their weights."""
    layers = {}
    for module in body.modules():
        dropout = getattr(module, "attn_drop", None)
        if isinstance(dropout, nn.Module) and hasattr(module, "fused_attn"):
            layers[module] = dropout
    return layers


def _record(
    maps: list[Tensor], layer: nn.Module, dropout: nn.Module, inputs: tuple[Tensor, ...]
) -> None:
    """Append the attention (B, heads, T, T) of a layer, the mean over its heads."""
    weights = inputs[0]
    # Differential attention has two maps per head, whose difference is used: it is no mean.
    if weights.ndim == 4 and weights.shape[1] == layer.num_heads:
        maps.append(weights.float().mean(1))
