"""Python code that makes probabilities of an exported backbone, with timm and torch alone."""

from torch import nn

from pcam.data.crop import Crop
from pcam.exporting.module import Size
from pcam.exporting.timm_folder import HEAD, LAYER, per_colour
from pcam.models.base import Kwargs
from pcam.models.network import Network
from pcam.models.pooling import PooledBackbone, TokenPool


def code_by_hand(
    network: Network, kwargs: Kwargs, size: Size, crop: Crop, temperature: float
) -> tuple[str, ...]:
    """Return the lines of the code; FOLDER in them stands for the exported folder.

    Args:
        network: that is exported.
        kwargs: that its backbone was built with.
        size: height and width of the whole patches, pixels.
        crop: the part of each patch that the network sees; not a random one.
        temperature: the number that divides the log-odds; 1 leaves them unchanged.
    """
    height, width = size
    return (
        "import numpy as np",
        "import timm",
        "import torch",
        "from safetensors.torch import load_file",
        f"backbone = timm.create_model({_create(kwargs)}).eval()",
        *_leave_out_layers(network.backbone),
        *_build_head(network),
        f"head.load_state_dict(load_file('FOLDER/{HEAD}'))",
        f"patches = np.zeros((8, 3, {height}, {width}), np.uint8)  # yours",
        "images = torch.from_numpy(patches).float()",
        *_cut(crop, size),
        f"mean = torch.tensor({per_colour(network.mean)}).view(3, 1, 1)",
        f"std = torch.tensor({per_colour(network.std)}).view(3, 1, 1)",
        "images = (images / 255 - mean) / std",
        *_resize(network, crop.size_after(size)),
        "with torch.inference_mode():",
        "    features = backbone(images)",
        *_pool(network.backbone),
        "    outputs = head(features)",
        *_log_odds(network),
        f"probability = torch.sigmoid(log_odds{_divide(temperature)})",
    )


def _create(kwargs: Kwargs) -> str:
    """Return what ``timm.create_model`` is given: the folder, and a class of layers by its name."""
    layer = kwargs.get(LAYER)
    given = "" if layer is None else f", {LAYER}=timm.layers.{layer}"
    return f"'local-dir:FOLDER', pretrained=True{given}"


def _leave_out_layers(backbone: nn.Module) -> list[str]:
    """Return the lines that leave out what pcam leaves out: VGG's layers before its classifier."""
    part = backbone[0] if isinstance(backbone, PooledBackbone) else backbone
    return ["backbone.pre_logits = torch.nn.Identity()"] if hasattr(part, "pre_logits") else []


def _build_head(network: Network) -> list[str]:
    """Return the lines that build the head, a layer per line."""
    layers = [f"    torch.nn.{_describe_layer(layer)}," for layer in network.head]
    return ["head = torch.nn.Sequential(", *layers, ").eval()"]


def _describe_layer(layer: nn.Module) -> str:
    """Return a layer of a head as code that each version of torch runs."""
    if isinstance(layer, nn.Linear):
        return f"Linear({layer.in_features}, {layer.out_features})"
    if isinstance(layer, nn.BatchNorm1d):
        return f"BatchNorm1d({layer.num_features})"
    if isinstance(layer, nn.Dropout):
        return f"Dropout({layer.p})"
    return f"{type(layer).__name__}()"


def _cut(crop: Crop, size: Size) -> list[str]:
    """Return the lines that crop."""
    if crop.mode == "none" or crop.size is None:
        return []
    top, left = (size[0] - crop.size) // 2, (size[1] - crop.size) // 2
    square = f"images[:, :, {top}:{top + crop.size}, {left}:{left + crop.size}]"
    if crop.mode != "ring":
        return [f"images = {square}"]
    rest = size[0] * size[1] - crop.size**2
    return [
        f"square = {square}",
        "total = images.sum((2, 3), keepdim=True) - square.sum((2, 3), keepdim=True)",
        f"square[:] = torch.round(total / {rest})",
    ]


def _resize(network: Network, seen: Size) -> list[str]:
    """Return the lines that resize what the network sees of a patch."""
    side, mode = network.input_size, network.interpolation
    if side is None or seen == (side, side):
        return []
    return [
        "images = torch.nn.functional.interpolate(",
        f"    images, {side}, mode='{mode}', antialias={mode != 'nearest'}",
        ")",
    ]


def _pool(backbone: nn.Module) -> list[str]:
    """Return the lines that make a vector of what timm's network returns."""
    pool = backbone[1] if isinstance(backbone, PooledBackbone) else None
    if isinstance(pool, nn.Flatten):
        return ["    features = features.flatten(1)"]
    if not isinstance(pool, TokenPool):
        return []
    mean = f"features[:, {pool.prefix}:].mean(1)"
    lines = {
        "cls": "features[:, 0]",
        "patch_avg": mean,
        "cls_avg": f"torch.cat([features[:, 0], {mean}], 1)",
    }
    return [f"    features = {lines[pool.kind]}"]


def _log_odds(network: Network) -> list[str]:
    """Return the lines that make log-odds of the head's outputs."""
    outputs = len(list(network.head.parameters())[-1])
    if outputs == 1:
        return ["log_odds = outputs[:, 0]"]
    return ["log_odds = outputs[:, 1] - outputs[:, 0]"]


def _divide(temperature: float) -> str:
    return "" if temperature == 1 else f" / {temperature:.8g}"
