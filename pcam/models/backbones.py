"""Names to backbones: timm's networks and torchvision's GoogLeNet, without their classifiers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from pcam.errors import ConfigError, suggest

# Arguments of timm.create_model that are the framework's own, or would read files and addresses of their own.
RESERVED = {
    "pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "cache_dir", "scriptable",
    "exportable", "no_jit", "num_classes", "global_pool", "in_chans", "features_only", "img_size",
}  # fmt: skip
POOLS = ("avg", "flatten")


@dataclass(frozen=True)
class PretrainedInfo:
    """What is known of a network's ImageNet weights.

    Attributes:
        mean: of the input, three numbers from 0 to 1.
        std: likewise.
        left_out: prefixes of parameters that belong to the classifier, not to the backbone.
        fixed_size: the input size, pixels, where the network takes no other without being told.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    left_out: tuple[str, ...]
    fixed_size: int | None = None


def pretrained_info(name: str) -> PretrainedInfo:
    """Return what is known of a network's ImageNet weights.

    Raises:
        ConfigError: neither timm nor this module knows ``name``.
    """
    if name == "googlenet":
        # torchvision's weights come from Inception preprocessing: its transform_input maps to mean = std = 0.5
        return PretrainedInfo((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), ("fc.", "aux1.", "aux2."))
    import timm

    if not timm.is_model(name.partition(".")[0]):
        raise ConfigError(
            f"model.name={name} is not a network{suggest(name, ['googlenet', *timm.list_models()])}"
        )
    try:
        known = timm.get_pretrained_cfg(name)
    except (RuntimeError, ValueError) as error:
        raise ConfigError(f"model.name={name}: {error}") from error
    classifier = known.classifier or ()
    names = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    left_out = (
        *(f"{part}." for part in names),
        "pre_logits.",
    )  # VGG keeps its 4096-d layers in pre_logits
    size = known.input_size[-1] if known.fixed_input_size else None
    return PretrainedInfo(tuple(known.mean), tuple(known.std), left_out, size)


def build_backbone(
    name: str, kwargs: Mapping[str, Any], pool: str, input_size: int | None
) -> nn.Module:
    """Return a network that ends in features, with random weights.

    Args:
        name: one of timm's, or googlenet (torchvision's; timm has none).
        kwargs: passed to the network.
        pool: avg, the network's own pooling, giving (B, F); flatten, the last map as it is, giving (B, C·h·w).
        input_size: pixels; told to networks that must know it (vision transformers).

    Raises:
        ConfigError: name, pool or a key of ``kwargs`` is not known.
    """
    if pool not in POOLS:
        raise ConfigError(f"model.head.pool={pool} is not known{suggest(pool, POOLS)}")
    reserved = sorted(RESERVED & set(kwargs))
    if reserved:
        raise ConfigError(
            f"model.kwargs.{reserved[0]} is the framework's own; it cannot be passed to the network"
        )
    known = pretrained_info(name)
    try:
        body = (
            _googlenet(kwargs, pool)
            if name == "googlenet"
            else _timm(name, kwargs, pool, known, input_size)
        )
    except (TypeError, AssertionError, ValueError) as error:
        raise ConfigError(
            f"model.name={name} does not take model.kwargs {dict(kwargs)}: {error}"
        ) from error
    return nn.Sequential(body, nn.Flatten()) if pool == "flatten" else body


def _timm(
    name: str, kwargs: Mapping[str, Any], pool: str, known: PretrainedInfo, input_size: int | None
) -> nn.Module:
    import timm

    size = (
        {"img_size": input_size} if known.fixed_size is not None and input_size is not None else {}
    )
    body: nn.Module = timm.create_model(
        name,
        pretrained=False,
        num_classes=0,
        **({"global_pool": ""} if pool == "flatten" else {}),
        **size,
        **kwargs,
    )
    if name.startswith("vgg") or name.startswith("repvgg"):
        body.pre_logits = nn.Identity()
    return body


def _googlenet(kwargs: Mapping[str, Any], pool: str) -> nn.Module:
    from torchvision.models import googlenet

    body: nn.Module = googlenet(
        weights=None, aux_logits=False, init_weights=True, transform_input=False, **kwargs
    )
    body.dropout, body.fc = nn.Identity(), nn.Identity()
    if pool == "flatten":
        body.avgpool = nn.Identity()
    return body
