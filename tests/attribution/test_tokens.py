"""Maps of a vision transformer's tokens."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pcam.attribution.layers import default_layer
from pcam.attribution.tokens import find_token_grid
from pcam.models.network import Network
from tests.attribution.networks import make_explainer, make_maps, make_network, random_patches
from tests.attribution.transformers import (
    CELLS,
    SIDE,
    WIDTH,
    attend,
    feed_forward,
    first_tokens,
    make_transformer,
    normalise,
)

LAYER = "blocks.0.norm1"


def enlarge(tokens: Tensor) -> Tensor:
    """Return a map (B, 16) of tokens, clipped at zero, at the patches' size."""
    cells = tokens.relu().view(-1, 1, CELLS, CELLS)
    return F.interpolate(cells, (SIDE, SIDE), mode="bilinear")[:, 0]


def test_maps_of_a_block_with_uniform_attention_have_a_closed_form() -> None:
    network, x = make_transformer(1), random_patches(3, SIDE)
    body, block = network.backbone[0], network.backbone[0].blocks[0]
    with torch.no_grad():
        block.attn.qkv.weight.zero_()[2 * WIDTH :].copy_(torch.eye(WIDTH))  # q = k = 0, v = input
        block.attn.qkv.bias.zero_()
        block.attn.proj.weight.copy_(torch.eye(WIDTH))
        block.mlp.fc2.weight.zero_()
    body.norm = nn.Identity()
    # The log-odds are w (class token + mean of the T normalised tokens), and a constant.
    weight = network.head[0].weight[0].detach()
    normed = normalise(block.norm1, first_tokens(network, x)).detach()
    shares = normed[:, 1:] @ weight / normed.shape[1]
    assert float(shares.max()) > 0
    for method in ("gradcam", "hirescam"):
        maps = make_maps(make_explainer(network, LAYER), method, x)
        torch.testing.assert_close(maps, enlarge(shares), msg=method)


def plain_log_odds(network: Network, tokens: Tensor, normed: Tensor, pool: str) -> Tensor:
    body, block = network.backbone[0], network.backbone[0].blocks[0]
    last = normalise(body.norm, feed_forward(block, tokens + attend(block, normed)[1]))
    features = last[:, 0] if pool == "cls" else last.mean(1)
    return features @ network.head[0].weight[0] + network.head[0].bias


@pytest.mark.parametrize(("pool", "registers"), [("cls", 0), ("cls", 2), ("patch_avg", 0)])
def test_gradcam_and_hirescam_are_those_of_plain_torch(pool: str, registers: int) -> None:
    network, x = make_transformer(1, pool, registers), random_patches(3, SIDE)
    prefix = registers + (pool == "cls")
    tokens = first_tokens(network, x).detach()
    normed = normalise(network.backbone[0].blocks[0].norm1, tokens).detach().requires_grad_()
    score = plain_log_odds(network, tokens, normed, pool)
    torch.testing.assert_close(score, network.score(x))
    (gradient,) = torch.autograd.grad(score.sum(), normed)
    values, gradient = normed.detach()[:, prefix:], gradient[:, prefix:]
    gradcam = (values * gradient.mean(1, keepdim=True)).sum(-1)
    hirescam = (values * gradient).sum(-1)
    assert not torch.allclose(gradcam, hirescam, rtol=0.1)
    explainer = make_explainer(network, LAYER)
    for method, expected in (("gradcam", gradcam), ("hirescam", hirescam)):
        assert explainer.reason_not_applicable(method, x) is None
        maps = make_maps(explainer, method, x)
        torch.testing.assert_close(maps, enlarge(expected), rtol=1e-4, atol=1e-5, msg=method)


def test_the_default_layer_is_the_norm_before_the_last_attention() -> None:
    assert default_layer(make_transformer(3), "test_vit") == "blocks.2.norm1"
    assert default_layer(make_network(), "test_resnet") == "last"


@pytest.mark.parametrize("layer", ["blocks.1", "norm", "blocks.1.attn.proj"])
def test_trap_after_the_last_attention_the_patches_have_no_gradient(layer: str) -> None:
    x = random_patches(2, SIDE)
    reason = make_explainer(make_transformer(2), layer).reason_not_applicable("gradcam", x)
    assert reason is not None
    assert "the gradient of the patches' tokens is zero; choose an earlier layer" in reason
    averaged = make_explainer(make_transformer(2, "patch_avg"), layer)
    assert averaged.reason_not_applicable("gradcam", x) is None


def test_a_layer_without_a_token_per_patch_has_no_map() -> None:
    explainer = make_explainer(make_transformer(1), "fc_norm")
    assert explainer.reason_not_applicable("gradcam", random_patches(2, SIDE)) is not None
    explainer = make_explainer(make_transformer(1), "blocks.0.attn.attn_drop")
    reason = explainer.reason_not_applicable("hirescam", random_patches(2, SIDE))
    assert reason == "the layer does not run"


def test_tokens_are_counted_at_the_size_that_the_network_sees() -> None:
    network = make_transformer(1, registers=2)
    grid = find_token_grid(network, random_patches(1, 96))
    assert grid is not None
    assert (grid.prefix, grid.height, grid.width, grid.count) == (3, CELLS, CELLS, 19)
    assert find_token_grid(make_network(), random_patches(1, SIDE)) is None
