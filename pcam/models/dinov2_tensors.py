"""The tensors of a DINOv2 in the form of transformers, under timm's names.

Midnight and Phikon-v2 are published so. The networks are those of timm
(``vit_large_patch14_dinov2`` and others), but the parts of attention are apart (query, key, value),
and with register tokens the class token has a position embedding, which timm adds to the token.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from pcam.models.tensor_checks import describe_unusable

NAMES = "the names of transformers' DINOv2"
PROJECTION = "embeddings.patch_embeddings.projection."
LAYER = re.compile(r"encoder\.layer\.(\d+)\.(.+)")
PARTS = ("query", "key", "value")  # in timm's order
RENAMED = {
    "embeddings.cls_token": "cls_token",
    "embeddings.position_embeddings": "pos_embed",
    "embeddings.register_tokens": "reg_token",
    PROJECTION: "patch_embed.proj.",
    "layernorm.": "norm.",
}
RENAMED_IN_LAYER = {
    "attention.output.dense.": "attn.proj.",
    "layer_scale1.lambda1": "ls1.gamma",
    "layer_scale2.lambda1": "ls2.gamma",
    "mlp.weights_in.": "mlp.fc1.",
    "mlp.weights_out.": "mlp.fc2.",
}
UNUSED = ("embeddings.mask_token",)  # of the pretraining


def with_timm_names(state: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """Return the tensors of a DINOv2 of transformers under timm's names; None if they are others.

    Args:
        state: by the names of transformers, with or without a prefix ("dinov2.").
    """
    found = [key for key in state if key.endswith(f"{PROJECTION}weight")]
    if len(found) != 1 or describe_unusable(state) is not None:
        return None
    prefix = found[0].removesuffix(f"{PROJECTION}weight")
    renamed: dict[str, Tensor] = {}
    parts: dict[str, dict[str, Tensor]] = {}
    for key, value in state.items():
        name = key.removeprefix(prefix)
        if name in UNUSED:
            continue
        layer = LAYER.fullmatch(name)
        if layer is None:
            renamed[_replace_start(name, RENAMED)] = value
            continue
        block, rest = f"blocks.{layer[1]}.", layer[2]
        first, _, last = rest.removeprefix("attention.attention.").partition(".")
        if first in PARTS:
            parts.setdefault(f"{block}attn.qkv.{last}", {})[first] = value
        else:
            renamed[block + _replace_start(rest, RENAMED_IN_LAYER)] = value
    for name, values in parts.items():
        shapes = {value.shape for value in values.values()}
        if len(values) < len(PARTS) or len(shapes) > 1:
            return None
        renamed[name] = torch.cat([values[part] for part in PARTS])
    return _with_position_in_class_token(renamed) if "reg_token" in renamed else renamed


def _replace_start(name: str, starts: Mapping[str, str]) -> str:
    """Return a name whose start is replaced, if it is one of those that are known."""
    for start, replacement in starts.items():
        if name.startswith(start):
            return replacement + name.removeprefix(start)
    return name


def _with_position_in_class_token(state: dict[str, Tensor]) -> dict[str, Tensor] | None:
    """Add the class token's position embedding to it; None if there is none."""
    token, position = state.get("cls_token"), state.get("pos_embed")
    if token is None or position is None or position.ndim != 3 or position.shape[1] < 2:
        return None
    if token.shape != position[:, :1].shape:
        return None
    return {**state, "cls_token": token + position[:, :1], "pos_embed": position[:, 1:]}
