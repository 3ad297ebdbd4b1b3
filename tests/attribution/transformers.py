"""A small vision transformer, and its calculation in plain torch."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pcam.models.network import Network
from tests.attribution.networks import HEAD

SIDE, PATCH, WIDTH, HEADS = 32, 8, 8, 2  # a map of 4x4 tokens
CELLS = SIDE // PATCH


def make_transformer(
    depth: int, pool: str = "cls", registers: int = 0, **others: object
) -> Network:
    """Return a transformer whose attention is far from uniform."""
    torch.manual_seed(3)
    kwargs = {
        "depth": depth,
        "patch_size": PATCH,
        "embed_dim": WIDTH,
        "num_heads": HEADS,
        "reg_tokens": registers,
        "class_token": pool != "patch_avg",
        "qkv_bias": True,
        **others,
    }
    network = Network(
        name="test_vit",
        kwargs=kwargs,
        input_size=SIDE,
        interpolation="bilinear",
        mean=0.5,
        std=0.25,
        head={**HEAD, "pool": pool},
        outputs=1,
    ).eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.6)
    return network


def first_tokens(network: Network, x: Tensor) -> Tensor:
    """Return the tokens (B, T, C) before the first block."""
    body = network.backbone[0]
    cells = x.unfold(2, PATCH, PATCH).unfold(3, PATCH, PATCH)  # (B, 3, 4, 4, 8, 8)
    flat = cells.permute(0, 2, 3, 1, 4, 5).reshape(len(x), CELLS**2, -1)
    kernel, bias = body.patch_embed.proj.weight, body.patch_embed.proj.bias
    patches = flat @ kernel.reshape(WIDTH, -1).T + bias
    prefix = [one for one in (body.cls_token, body.reg_token) if one is not None]
    repeated = [one.expand(len(x), -1, -1) for one in prefix]
    return torch.cat([*repeated, patches], 1) + body.pos_embed


def normalise(norm: nn.LayerNorm, tokens: Tensor) -> Tensor:
    centred = tokens - tokens.mean(-1, keepdim=True)
    deviation = (centred.square().mean(-1, keepdim=True) + norm.eps).sqrt()
    return centred / deviation * norm.weight + norm.bias


def attend(block: nn.Module, normed: Tensor) -> tuple[Tensor, Tensor]:
    """Return the attention (B, heads, T, T) and what it adds to the tokens (B, T, C)."""
    attention = block.attn
    count, size = normed.shape[1], WIDTH // HEADS
    joined = normed @ attention.qkv.weight.T + attention.qkv.bias
    q, k, v = joined.view(len(normed), count, 3, HEADS, size).permute(2, 0, 3, 1, 4)
    weights = torch.softmax(q @ k.mT / size**0.5, -1)
    mixed = (weights @ v).transpose(1, 2).reshape(len(normed), count, WIDTH)
    return weights, mixed @ attention.proj.weight.T + attention.proj.bias


def feed_forward(block: nn.Module, tokens: Tensor) -> Tensor:
    mlp, normed = block.mlp, normalise(block.norm2, tokens)
    hidden = F.gelu(normed @ mlp.fc1.weight.T + mlp.fc1.bias)
    return tokens + hidden @ mlp.fc2.weight.T + mlp.fc2.bias
