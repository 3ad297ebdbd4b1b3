"""Optimizers by name.

A registered optimizer is a function ``(groups, config) -> Optimizer``: the parameter groups
"backbone" and "head", each with its learning rate, and its section of the config. With
``finetune.layer_decay`` the backbone has several groups, "backbone.0" and so on. Every name that is
not registered is one of timm's.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pcam.config import registry
from pcam.config.registry import register_optimizer
from pcam.config.sections import OptimizerConfig
from pcam.errors import ConfigError, PcamError, describe_error, suggest

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer


FUSED = ("adam", "adamw", "sgd")  # those of torch that have a fused form
FUSED_ON = ("cpu", "cuda")  # devices that a fused step pays on
IMPLEMENTATIONS = frozenset({"fused", "foreach", "capturable", "differentiable"})

BACKBONE = "backbone"  # name of its group
Groups = list[dict[str, Any]]  # torch's parameter groups: params, lr and name


def backbone_and_head(
    backbone: "Iterable[nn.Parameter]", head: "Iterable[nn.Parameter]", config: OptimizerConfig
) -> Groups:
    """Return parameters as two groups with the rates of the config, without empty ones."""
    groups: Groups = [
        {"params": list(backbone), "lr": config.lr, "name": BACKBONE},
        {"params": list(head), "lr": config.head_lr, "name": "head"},
    ]
    return [group for group in groups if group["params"]]


def build_optimizer(groups: Groups, config: OptimizerConfig, fused: bool = False) -> "Optimizer":
    """Return an optimizer of all groups, backbone and head, from the first step on.

    A frozen backbone gets no gradient, and an optimizer does not change parameters without one,
    weight decay included. Adding the group later instead breaks schedulers and resumption
    (pytorch-lightning #8720, #21901).

    Args:
        groups: of parameters, each with its learning rate and name.
        config: the config's ``optimizer``.
        fused: let torch's own optimizers take a step in one pass over the parameters, unless
            ``optimizer.kwargs`` chooses an implementation.

    Raises:
        ConfigError: the optimizer does not take its settings.
    """
    if fused and config.name in FUSED and not IMPLEMENTATIONS & config.kwargs.keys():
        config = config.model_copy(update={"kwargs": {**config.kwargs, "fused": True}})
    build = registry.optimizers.get(config.name).target
    try:
        optimizer: Optimizer = build(groups, config)
    except PcamError:
        raise
    except Exception as error:  # each library raises errors of its own
        raise ConfigError(f"optimizer.name={config.name}: {describe_error(error)}") from error
    return optimizer


@register_optimizer("adam", config=OptimizerConfig)
def adam(groups: Groups, config: OptimizerConfig) -> "Optimizer":
    """Return torch's Adam; weight decay is added to the gradient."""
    from torch.optim import Adam

    return Adam(groups, lr=config.lr, weight_decay=config.weight_decay, **config.kwargs)


@register_optimizer("adamw", config=OptimizerConfig)
def adamw(groups: Groups, config: OptimizerConfig) -> "Optimizer":
    """Return torch's AdamW; weight decay is decoupled."""
    from torch.optim import AdamW

    return AdamW(groups, lr=config.lr, weight_decay=config.weight_decay, **config.kwargs)


@register_optimizer("sgd", config=OptimizerConfig)
def sgd(groups: Groups, config: OptimizerConfig) -> "Optimizer":
    """Return torch's SGD."""
    from torch.optim import SGD

    return SGD(groups, lr=config.lr, weight_decay=config.weight_decay, **config.kwargs)


def check_timm_optimizer(name: str) -> None:
    """Make sure that timm has an optimizer of this name.

    Raises:
        ConfigError: it has none; the message suggests similar names.
    """
    from timm.optim import get_optimizer_info, list_optimizers

    timm_names = list_optimizers()
    if name not in timm_names:
        known = [*registry.optimizers.names(), *timm_names]
        raise ConfigError(f"optimizer.name={name} is not available{suggest(name, known)}")
    if get_optimizer_info(name).second_order:
        raise ConfigError(
            f"optimizer.name={name} needs second derivatives, which a training does not have"
        )


@registry.optimizers.register_fallback(check=check_timm_optimizer, config=OptimizerConfig)
def timm_optimizer(groups: Groups, config: OptimizerConfig) -> "Optimizer":
    """Return one of timm's optimizers."""
    from timm.optim import create_optimizer_v2

    check_timm_optimizer(config.name)
    optimizer: Optimizer = create_optimizer_v2(
        groups, opt=config.name, lr=config.lr, weight_decay=config.weight_decay, **config.kwargs
    )
    return optimizer
