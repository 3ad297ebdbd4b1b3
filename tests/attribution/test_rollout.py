"""Attention rollout."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from pcam.attribution.layers import get_body
from pcam.models.network import Network
from tests.attribution.networks import (
    centre_network,
    make_explainer,
    make_maps,
    make_network,
    random_patches,
)
from tests.attribution.transformers import (
    CELLS,
    SIDE,
    attend,
    feed_forward,
    first_tokens,
    make_transformer,
    normalise,
)

METHOD = "attention_rollout"


def plain_attention(network: Network, x: Tensor) -> list[Tensor]:
    """Return the attention of each block, (B, heads, T, T)."""
    tokens, maps = first_tokens(network, x), []
    for block in get_body(network).blocks:
        weights, change = attend(block, normalise(block.norm1, tokens))
        maps.append(weights.detach())
        tokens = feed_forward(block, tokens + change)
    return maps


def enlarge(shares: Tensor) -> Tensor:
    return F.interpolate(shares.view(-1, 1, CELLS, CELLS), (SIDE, SIDE), mode="bilinear")[:, 0]


@pytest.mark.parametrize("registers", [0, 2])
def test_rollout_of_one_block_is_half_of_the_class_token_s_attention(registers: int) -> None:
    network, x = make_transformer(1, registers=registers), random_patches(3, SIDE)
    (attention,) = plain_attention(network, x)
    expected = attention.mean(1)[:, 0, 1 + registers :] / 2
    explainer = make_explainer(network)
    assert explainer.reason_not_applicable(METHOD, x) is None
    torch.testing.assert_close(make_maps(explainer, METHOD, x), enlarge(expected))


def two_blocks(network: Network, x: Tensor) -> Tensor:
    """Return the rollout of two blocks, (B, T, T): (A2 + 1) (A1 + 1) / 4."""
    first, second = (maps.mean(1) for maps in plain_attention(network, x))
    return (second @ first + second + first + torch.eye(first.shape[-1])) / 4


@pytest.mark.parametrize(("pool", "prefix"), [("cls", 1), ("patch_avg", 0), ("cls_avg", 1)])
def test_rollout_starts_from_the_tokens_that_are_pooled(pool: str, prefix: int) -> None:
    network, x = make_transformer(2, pool), random_patches(2, SIDE)
    shares = two_blocks(network, x)[:, :, prefix:]
    of_class, of_patches = shares[:, 0], shares[:, prefix:].mean(1)
    expected = {"cls": of_class, "patch_avg": of_patches, "cls_avg": (of_class + of_patches) / 2}
    maps = make_maps(make_explainer(network), METHOD, x)
    torch.testing.assert_close(maps, enlarge(expected[pool]))


def test_timm_s_own_pooling_is_followed() -> None:
    x = random_patches(1, 32)
    for name in ("test_vit", "test_vit2"):
        explainer = make_explainer(make_network(name, input_size=32))
        assert explainer.reason_not_applicable(METHOD, x) is None
        assert 0 < float(make_maps(explainer, METHOD, x).mean()) * 4 <= 1
    explainer = make_explainer(make_network("test_vit3", input_size=32))
    reason = explainer.reason_not_applicable(METHOD, x)
    assert reason == "its pooling of the last tokens is neither a class token nor a mean"


def test_rollout_does_not_depend_on_the_head() -> None:
    network, x = make_transformer(2), random_patches(2, SIDE)
    before = make_maps(make_explainer(network), METHOD, x)
    network.head[0].weight.data.neg_()
    assert torch.equal(make_maps(make_explainer(network), METHOD, x), before)


def test_fused_attention_is_switched_on_again() -> None:
    network, x = make_transformer(2), random_patches(1, SIDE)
    explainer = make_explainer(network)
    attention = [block.attn for block in get_body(explainer.scorer.network).blocks]
    before = [one.fused_attn for one in attention]
    assert any(before)
    make_maps(explainer, METHOD, x)
    assert [one.fused_attn for one in attention] == before
    assert not any(one.attn_drop._forward_pre_hooks for one in attention)


def test_a_network_without_attention_has_no_rollout() -> None:
    for network in (centre_network(), make_network()):
        reason = make_explainer(network).reason_not_applicable(METHOD, random_patches(2, 96))
        assert reason == "the network is no vision transformer of timm's with a token per patch"


def test_differential_attention_has_no_rollout() -> None:
    explainer = make_explainer(make_transformer(1, attn_layer="diff"))
    reason = explainer.reason_not_applicable(METHOD, random_patches(1, SIDE))
    assert reason == "not every block of the network has one softmax attention among all tokens"
