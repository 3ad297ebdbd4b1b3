"""A trained backbone as a folder that timm loads: ``timm.create_model("local-dir:DIR")``."""

import copy
import json

import torch
from torch import nn

from pcam.config.sections import ModelConfig
from pcam.errors import ConfigError
from pcam.exporting.formats import ExportedFile, Patches, Probabilities
from pcam.exporting.module import ExportedClassifier, Size
from pcam.models.backbones import get_backbone
from pcam.models.layer_names import with_layers
from pcam.models.network import Network
from pcam.models.pooling import PooledBackbone

BACKBONE, HEAD, CONFIG = "model.safetensors", "head.safetensors", "config.json"
LAYER = "mlp_layer"  # a class, which config.json cannot hold: it is given to timm beside the folder


def export_timm_folder(
    module: ExportedClassifier, model: ModelConfig, seen: Size
) -> tuple[ExportedFile, ...]:
    """Return a network's backbone in timm's form, its head and config.json.

    Args:
        module: in eval mode.
        model: the run's config of the network.
        seen: size of what the network sees of a patch, before it is resized, pixels.

    Raises:
        ConfigError: timm cannot build the backbone: it is a plug-in's, or has layers of its own.
    """
    from safetensors.torch import save

    backbone = _timm_part(module.network)
    arguments = timm_arguments(model, module.network.input_size)
    _ensure_timm_builds_it(model.name, arguments, backbone)
    content = save({key: value.contiguous() for key, value in backbone.state_dict().items()})
    config = json.dumps(_timm_config(module.network, model.name, arguments, seen), indent=2)

    def score(patches: Patches) -> Probabilities:
        """Score with the backbone as timm builds it from the file."""
        rebuilt = copy.deepcopy(module)
        part = _build_from(content, model.name, arguments)
        _replace_timm_part(rebuilt.network, part)
        with torch.inference_mode():
            found: Probabilities = rebuilt(torch.from_numpy(patches)).numpy()
        return found

    return (
        ExportedFile(BACKBONE, content, score),
        ExportedFile(HEAD, save(dict(module.network.head.state_dict())), score),
        ExportedFile(CONFIG, f"{config}\n".encode(), score),
    )


def timm_arguments(model: ModelConfig, input_size: int | None) -> dict[str, object]:
    """Return what timm is given to build the backbone; without pooling if pcam pools.

    Args:
        model: the run's config of the network.
        input_size: of the run's network, pixels; a vision transformer is built for one size.
    """
    arguments: dict[str, object] = {"num_classes": 0, **model.kwargs}
    if input_size is not None and get_backbone(model.name).fixed_size is not None:
        arguments["img_size"] = input_size
    if model.head.pool != "avg":
        arguments["global_pool"] = ""
    return arguments


def _timm_part(network: Network) -> nn.Module:
    """Return the backbone without pcam's pooling."""
    backbone = network.backbone
    return backbone[0] if isinstance(backbone, PooledBackbone) else backbone


def _replace_timm_part(network: Network, part: nn.Module) -> None:
    """Put another backbone before pcam's pooling."""
    if isinstance(network.backbone, PooledBackbone):
        network.backbone[0] = part
    else:
        network.backbone = part


def _build_from(content: bytes, name: str, arguments: dict[str, object]) -> nn.Module:
    """Return a backbone that timm builds, with the weights of a file."""
    import timm
    from safetensors.torch import load

    backbone: nn.Module = timm.create_model(name, pretrained=False, **with_layers(arguments))
    backbone.load_state_dict(load(content))
    if hasattr(backbone, "pre_logits"):  # VGG's, which pcam leaves out
        backbone.pre_logits = nn.Identity()
    return backbone.eval()


def _ensure_timm_builds_it(name: str, arguments: dict[str, object], backbone: nn.Module) -> None:
    """Check that a backbone is one of timm's, with no tensor more or less.

    Args:
        name: of the network.
        arguments: that timm would build it with.
        backbone: as it was trained.
    """
    import timm

    if not timm.is_model(name.partition(".")[0]):
        raise ConfigError(f"to=safetensors needs a network of timm, which {name} is not; to=torch")
    try:
        built = timm.create_model(name, pretrained=False, **with_layers(arguments))
    except Exception as error:  # each network raises errors of its own
        raise ConfigError(f"to=safetensors: timm does not build {name}; to=torch") from error
    shapes = {key: value.shape for key, value in built.state_dict().items()}
    if shapes != {key: value.shape for key, value in backbone.state_dict().items()}:
        raise ConfigError(
            f"to=safetensors: the backbone has other tensors than timm's {name}; to=torch"
        )


def _timm_config(
    network: Network, name: str, arguments: dict[str, object], size: Size
) -> dict[str, object]:
    """Return the content of config.json."""
    side = network.input_size
    height, width = (side, side) if side is not None else size
    return {
        "architecture": name.partition(".")[0],
        "num_classes": 0,
        "num_features": int(getattr(_timm_part(network), "num_features", network.features)),
        "model_args": {key: value for key, value in arguments.items() if key != LAYER},
        "pretrained_cfg": {
            "custom_load": False,
            "input_size": [3, height, width],
            "fixed_input_size": False,
            "interpolation": network.interpolation,
            "crop_pct": 1.0,
            "mean": per_colour(network.mean),
            "std": per_colour(network.std),
            "num_classes": 0,
        },
    }


def per_colour(channel: torch.Tensor) -> list[float]:
    """Return one number per colour."""
    return [round(float(value), 6) for value in channel.flatten().expand(3)]
