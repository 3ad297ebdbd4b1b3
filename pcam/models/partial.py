"""Training a part of a backbone: its last blocks, or low-rank changes of its attention's weights.

What is trained is a function of the config alone, from the first step to the last. The rest gets no
gradient (``requires_grad`` is False), is in eval mode, and stays equal to the bit.
"""

import re
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from pcam.config.sections import LastBlocksFinetune, LoraFinetune
from pcam.data.randomness import Purpose, draw
from pcam.errors import ConfigError
from pcam.models.pooling import PooledBackbone

# Names of parameters in a numbered block: blocks.3., layer4.2., denselayer32.
NUMBERED = re.compile(r"(^|\.)(\d+|[a-z_]*(block|stage|layer|transition)\d+)\.")
# Layers whose weights get adapters
ATTENTION = re.compile(r"(^|\.)attn\.(qkv|q|k|v|[qkv]_proj|proj)$")


def trained_parameters(module: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that get a gradient."""
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def fixed_modules(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the modules that have parameters, none of which is trained."""
    for one in module.modules():
        parameters = list(one.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            yield one


def train_last_blocks(backbone: nn.Module, settings: LastBlocksFinetune, name: str) -> None:
    """Let the last blocks of a backbone be trained, and what follows them, and nothing else.

    Args:
        backbone: of ``build_backbone``.
        settings: the config's ``finetune``.
        name: of the network, for messages.

    Raises:
        ConfigError: its blocks are not known, or there are not more than ``finetune.blocks``.
    """
    network = backbone[0] if isinstance(backbone, PooledBackbone) else backbone
    number_of = number_parameters(network)
    numbers = {number for key, number in number_of.items() if NUMBERED.search(key)}
    if not numbers:
        raise ConfigError(f"finetune=last_blocks: the blocks of model.name={name} are not known")
    blocks = sorted(numbers)
    if settings.blocks > len(blocks):
        raise ConfigError(
            f"finetune.blocks={settings.blocks} must be at most {len(blocks)}, the blocks of"
            f" model.name={name}"
        )
    first = blocks[-settings.blocks]
    for key, parameter in network.named_parameters():
        parameter.requires_grad_(number_of[key] >= first)


def number_parameters(network: nn.Module) -> dict[str, int]:
    """Return the position, in the order of the calculation, of each parameter's block.

    timm's networks say which parameters belong together; others have no numbers.
    """
    from timm.models import group_parameters

    matcher = getattr(network, "group_matcher", None)
    if matcher is None:
        return {}
    numbers: dict[str, int] = group_parameters(network, matcher(coarse=False), reverse=True)
    return numbers


class LowRank(nn.Module):
    """W + alpha / r · B A: a weight with a change of rank r (LoRA, Hu et al. 2021).

    Args:
        weight: W, (out, in).
        rank: r.
        alpha: scale of the change.
        generator: of A's first values; B is 0, so that the weight is W at first.
    """

    def __init__(self, weight: Tensor, rank: int, alpha: float, generator: torch.Generator) -> None:
        super().__init__()
        outputs, inputs = weight.shape
        bound = inputs**-0.5
        down = torch.empty(rank, inputs).uniform_(-bound, bound, generator=generator)
        self.down = nn.Parameter(down)
        self.up = nn.Parameter(torch.zeros(outputs, rank))
        self.scale = alpha / rank

    def forward(self, weight: Tensor) -> Tensor:
        """Return the changed weight, (out, in)."""
        return weight + self.scale * (self.up @ self.down)


def add_adapters(backbone: nn.Module, settings: LoraFinetune, name: str, seed: int) -> None:
    """Let low-rank changes of the attention's weights be trained, and nothing else of a backbone.

    Args:
        backbone: of ``build_backbone``, with its initial weights.
        settings: the config's ``finetune``.
        name: of the network, for messages.
        seed: of the adapters' first values.

    Raises:
        ConfigError: the network has no attention that is known.
    """
    layers = []
    for key, module in backbone.named_modules():
        if isinstance(module, nn.Linear) and ATTENTION.search(key):
            layers.append(module)
    if not layers:
        raise ConfigError(
            f"finetune=lora needs layers attn.qkv and attn.proj; model.name={name} has none"
        )
    backbone.requires_grad_(False)
    first = int(draw(seed, Purpose.ADAPTER).integers(1 << 62))
    generator = torch.Generator().manual_seed(first)
    for layer in layers:
        change = LowRank(layer.weight, settings.rank, settings.alpha, generator)
        parametrize.register_parametrization(layer, "weight", change)
