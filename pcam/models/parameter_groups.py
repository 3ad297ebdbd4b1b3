"""The parameters that are trained, in groups with learning rates of their own."""

from torch import nn

from pcam.config.sections import OptimizerConfig
from pcam.errors import ConfigError
from pcam.models.network import Network
from pcam.models.optimizers import BACKBONE, Groups, backbone_and_head
from pcam.models.partial import number_parameters, trained_parameters
from pcam.models.pooling import PooledBackbone


def group_parameters(
    network: Network, config: OptimizerConfig, layer_decay: float | None
) -> Groups:
    """Return the trained parameters of a network, those of the head last.

    Args:
        network: to train.
        config: the config's ``optimizer``.
        layer_decay: the config's ``finetune.layer_decay``; None for one group of the backbone.
    """
    head = network.head.parameters()
    if layer_decay is None:
        return backbone_and_head(trained_parameters(network.backbone), head, config)
    layers = group_layers(network.backbone, config.lr, layer_decay)
    return [*layers, *backbone_and_head([], head, config)]


def group_layers(backbone: nn.Module, lr: float, decay: float) -> Groups:
    """Return a backbone's trained parameters in timm's groups of layers, first layers first.

    The last group has the backbone's rate, each other ``decay`` times that of the next (Bao et
    al. 2022, BEiT). Of a transformer the groups are its embeddings and its blocks.

    Args:
        backbone: of a network for which ``check_layer_groups`` raises nothing.
        lr: the backbone's rate.
        decay: from 0 to 1.
    """
    network = _inner(backbone)
    number_of = number_parameters(network)
    layers: dict[int, list[nn.Parameter]] = {}
    for key, parameter in network.named_parameters():
        if parameter.requires_grad:
            layers.setdefault(number_of[key], []).append(parameter)
    last = max(layers)
    groups: Groups = []
    for number in sorted(layers):
        rate = lr * decay ** (last - number)
        groups.append({"params": layers[number], "lr": rate, "name": f"{BACKBONE}.{number}"})
    return groups


def is_backbone(group_name: str) -> bool:
    """Whether a group of parameters is the backbone's, or a part of it."""
    return group_name.partition(".")[0] == BACKBONE


def check_layer_groups(backbone: nn.Module, name: str) -> None:
    """Make sure that a backbone's layers are in groups.

    Args:
        backbone: of ``build_backbone``.
        name: of it, for messages.

    Raises:
        ConfigError: they are not.
    """
    numbers = set(number_parameters(_inner(backbone)).values())
    if len(numbers) < 2:
        raise ConfigError(
            f"finetune.layer_decay must be null: the layers of model.name={name} are in no groups"
        )


def _inner(backbone: nn.Module) -> nn.Module:
    """Return the network inside of a backbone with a pooling of ours."""
    return backbone[0] if isinstance(backbone, PooledBackbone) else backbone
