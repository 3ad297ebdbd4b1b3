"""A network's layers by name."""

import re
from functools import partial

import torch
from torch import Tensor, nn

from pcam.attribution.scorer import Scorer
from pcam.errors import ConfigError, suggest
from pcam.models.backbones import get_backbone
from pcam.models.network import Network
from pcam.models.pooling import PooledBackbone

Shape = tuple[int, ...]
ALIASES = ("first", "last")
ATTENTION_NORM = re.compile(r"blocks\.\d+\.(norm1|in_norm)")  # of timm's vision transformers


def get_body(network: Network) -> nn.Module:
    """Return the backbone as its library built it.

    Args:
        network: whose backbone may have a pooling of ours around it.
    """
    backbone = network.backbone
    if isinstance(backbone, PooledBackbone):
        return backbone[0]
    return backbone


def named_layers(network: Network) -> dict[str, nn.Module]:
    """Return the backbone's modules by the names that its library gives them."""
    return {name: module for name, module in get_body(network).named_modules() if name}


def default_layer(network: Network, name: str) -> str:
    """Return the name of the layer that ``layer=auto`` chooses.

    Of a vision transformer it is the norm before the last block's attention. What follows mixes
    no tokens any more: where the class token alone is classified, the gradient of the patches'
    tokens is zero there.

    Args:
        network: to explain.
        name: of its backbone.
    """
    known = get_backbone(name).gradcam_layer
    if known is not None:
        return known
    body = get_body(network)
    if count_prefix_tokens(body) is not None:
        norms = [layer for layer in named_layers(network) if ATTENTION_NORM.fullmatch(layer)]
        if norms:
            return norms[-1]
    return "last"


def count_prefix_tokens(body: nn.Module) -> int | None:
    """Return how many tokens of a transformer of timm's come before the patches'.

    Args:
        body: the backbone as its library built it.

    Returns:
        The number of tokens of the class and registers; None if it is no such transformer.
    """
    prefix = getattr(body, "num_prefix_tokens", None)
    return prefix if isinstance(prefix, int) else None


def find_layer(scorer: Scorer, name: str, x: Tensor, key: str = "layer") -> tuple[str, nn.Module]:
    """Return the name and the module of a layer.

    Args:
        scorer: the network.
        name: as the backbone's library names it; ``first``, the first convolution; ``last``, the
            last convolution's map after normalisation, activation and shortcut, before pooling.
            A transformer's only convolution, which makes tokens of pixels, is not a last map.
        x: normalised patches (B, 3, H, W).
        key: of the config, for the message.

    Raises:
        ConfigError: the network has no such layer.
    """
    known = named_layers(scorer.network)
    if name in ALIASES:
        name = _resolve_alias(scorer, name, known, x, key)
    if name not in known:
        raise ConfigError(f"{key}={name} is not a layer of the network{suggest(name, known)}")
    return name, known[name]


def _resolve_alias(
    scorer: Scorer, alias: str, known: dict[str, nn.Module], x: Tensor, key: str
) -> str:
    """Return the name of the first convolution or of the last convolution's map."""
    shapes = output_shapes(scorer, x)
    maps = {layer: shape for layer, shape in shapes.items() if is_map(shape)}
    convolutions = [layer for layer in maps if isinstance(known[layer], nn.Conv2d)]
    if not convolutions:
        raise ConfigError(
            f"{key}={alias}: the network has no convolution with a map; name a layer instead"
        )
    if alias == "first":
        return convolutions[0]

    last = convolutions[-1]
    order = list(shapes)
    later = order[order.index(last) :]
    linear_follows = any(isinstance(known[layer], nn.Linear) for layer in later)
    if len(convolutions) == 1 and linear_follows:
        raise ConfigError(
            f"{key}=last: {last} is the only convolution and other layers follow it; name a layer "
            "instead"
        )
    same_size = [layer for layer, shape in maps.items() if shape[-2:] == maps[last][-2:]]
    return same_size[-1]


def is_map(shape: Shape) -> bool:
    """Whether an output's shape is that of a map, (B, C, h, w) with more than one place."""
    return len(shape) == 4 and min(shape[-2:]) > 1


def output_shapes(scorer: Scorer, x: Tensor) -> dict[str, Shape]:
    """Return the shape of each layer's output, in the order in which the layers first run.

    A layer that returns its input, as the identity in the classifier's place, is left out.

    Args:
        scorer: the network.
        x: normalised patches (B, 3, H, W); only the first is used.

    Returns:
        Shape by the layer's name, with a batch of 1.
    """
    shapes: dict[str, Shape] = {}

    def record(name: str, module: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        returns_input = bool(inputs) and output is inputs[0]
        if isinstance(output, Tensor) and not returns_input:
            shapes.setdefault(name, tuple(output.shape))

    handles = []
    for name, module in named_layers(scorer.network).items():
        handles.append(module.register_forward_hook(partial(record, name)))
    try:
        with torch.no_grad():
            scorer(x[:1])
    finally:
        for handle in handles:
            handle.remove()
    return shapes
