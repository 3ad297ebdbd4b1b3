"""The network as the methods of attribution need it, and its layers by name."""

import copy
from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn

from pcam.errors import ConfigError, suggest
from pcam.models.network import Network

PRECISIONS = ("32-true", "bf16-mixed")


class Scorer(nn.Module):
    """A copy of a network that maps normalised patches to log-odds, each patch on its own.

    Its activations do not work in place and its parameters ask for no gradient, so hooks see what they expect, what is held
    is what the input's gradient needs, and nothing that is done to it reaches the network.

    Args:
        network: to explain.
        precision: 32-true, or bf16-mixed: convolutions and products in bfloat16. Half precision is not offered: its range
            ends where gradients of single pixels lie.
    """

    def __init__(self, network: Network, precision: str = "32-true") -> None:
        super().__init__()
        if precision not in PRECISIONS:
            raise ConfigError(f"precision={precision} is not known{suggest(precision, PRECISIONS)}")
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.precision = precision
        for module in self.modules():
            if getattr(module, "inplace", False):
                module.inplace = False  # type: ignore[assignment]
            if isinstance(module, nn.ReLU):
                module.register_forward_pre_hook(_cloned_inputs)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        """Return the log-odds, float32 (B,), of normalised patches (B, 3, H, W)."""
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.precision == "bf16-mixed"):
            return self.network.score(x)

    def normalised(self, images: Tensor) -> Tensor:
        """Return raw patches (B, 3, H, W) in the network's unit, on its device."""
        return self.network.normalised(images.to(self.network.mean.device))


def _cloned_inputs(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Give a ReLU a tensor of its own: Captum takes over the gradient of a ReLU's input, a shortcut's share of it included."""
    return tuple(x.view_as(x) for x in inputs)


def body(network: Network) -> nn.Module:
    """Return the backbone as its library made it."""
    backbone = network.backbone
    if isinstance(backbone, nn.Sequential) and isinstance(
        backbone[-1], nn.Flatten
    ):  # head.pool=flatten
        return backbone[0]
    return backbone


def layers(network: Network) -> dict[str, nn.Module]:
    """Return the backbone's modules by the names that its library gives them."""
    return {name: module for name, module in body(network).named_modules() if name}


def recalibrate_batchnorm(network: Network, x: Tensor) -> None:
    """Give a network's BatchNorm the statistics of normalised patches (B, 3, H, W); leave it in eval mode."""
    norms = [
        module
        for module in network.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
    ]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean of all that is seen
    network.train()
    with torch.no_grad():
        network.score(x)
    network.eval()


def find_layer(scorer: Scorer, name: str, x: Tensor, key: str = "layer") -> tuple[str, nn.Module]:
    """Return a layer by its name, with its name.

    Args:
        scorer: of the network.
        name: as the backbone's library names it; ``first``, the first convolution; ``last``, where the last one's map ends:
            normalised, activated, added to its shortcut, not yet pooled. A transformer's only convolution, which makes tokens
            of pixels, is not where its map ends.
        x: normalised patches (B, 3, H, W).
        key: of the config, for the message.

    Raises:
        ConfigError: there is no such layer.
    """
    known = layers(scorer.network)
    if name in ("last", "first"):
        every = shapes(scorer, x)
        ran = {
            layer: shape
            for layer, shape in every.items()
            if len(shape) == 4 and min(shape[-2:]) > 1
        }
        convolutions = [layer for layer in ran if isinstance(known[layer], nn.Conv2d)]
        if not convolutions:
            raise ConfigError(
                f"{key}={name}: the network has no convolution with a map; give a layer's name"
            )
        after = list(every)[list(every).index(convolutions[-1]) :]
        if (
            name == "last"
            and len(convolutions) == 1
            and any(isinstance(known[layer], nn.Linear) for layer in after)
        ):
            told = f"{convolutions[0]} alone is a convolution, and other layers follow"
            raise ConfigError(f"{key}=last: {told}; give a layer's name")
        name = convolutions[0] if name == "first" else _end(ran, convolutions[-1])
    if name not in known:
        raise ConfigError(f"{key}={name} is not a layer of the network{suggest(name, known)}")
    return name, known[name]


def _end(ran: Mapping[str, tuple[int, ...]], convolution: str) -> str:
    """Return the last layer whose map is of the size of the last convolution's."""
    return [layer for layer, shape in ran.items() if shape[-2:] == ran[convolution][-2:]][-1]


def shapes(scorer: Scorer, x: Tensor) -> dict[str, tuple[int, ...]]:
    """Return the shape of each layer's output by its name, in the order in which the layers first run.

    A layer that hands on what it is given, as the identity in a classifier's place, is left out.
    """
    found: dict[str, tuple[int, ...]] = {}

    def told(name: str, module: nn.Module, inputs: tuple[object, ...], out: object) -> None:
        if isinstance(out, Tensor) and not (inputs and out is inputs[0]):
            found.setdefault(name, tuple(out.shape))

    handles = [
        module.register_forward_hook(partial(told, name))
        for name, module in layers(scorer.network).items()
    ]
    try:
        with torch.no_grad():
            scorer(x[:1])
    finally:
        for handle in handles:
            handle.remove()
    return found


class MaxPool(nn.Module):
    """Max pooling, written as ReLUs: max(a, b) = a + ReLU(b - a). For DeepLIFT, which has a rule for these.

    Captum's own rule for max pooling loses what two windows share, and where a difference is zero its two halves disagree
    (captum #1276).
    """

    def __init__(self, pool: nn.MaxPool2d) -> None:
        super().__init__()
        (self.size,), (self.stride,), (self.padding,) = (
            {*_pair(n)} for n in (pool.kernel_size, pool.stride, pool.padding)
        )
        self.acts = nn.ModuleList(
            nn.ReLU() for _ in range(2 * (self.size - 1))
        )  # each runs once, as DeepLIFT asks

    @staticmethod
    def serves(pool: nn.Module) -> bool:
        """Tell whether a module is max pooling in squares, of the kind that this can stand for."""
        return isinstance(pool, nn.MaxPool2d) and pool.dilation in (1, (1, 1)) and not pool.ceil_mode and all(
            len({*_pair(n)}) == 1 for n in (pool.kernel_size, pool.stride, pool.padding)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, h, w) of (B, C, H, W)."""
        far = float(x.detach().min()) - 1  # as padding: below all that is compared with it
        x = nn.functional.pad(x, (self.padding,) * 4, value=far)
        for dim, acts in ((-2, self.acts[: self.size - 1]), (-1, self.acts[self.size - 1 :])):
            count = (x.shape[dim] - self.size) // self.stride + 1
            taken = [x.narrow(dim, i, (count - 1) * self.stride + 1) for i in range(self.size)]
            shifted = [
                part[..., :: self.stride, :] if dim == -2 else part[..., :: self.stride]
                for part in taken
            ]
            # from the middle, which is never padding, so that nothing is added to padding and lost in rounding
            middle = shifted.pop(self.size // 2)
            for act, other in zip(acts, shifted, strict=True):
                middle = middle + act(other - middle)
            x = middle
        return x


def replace_max_pooling(scorer: Scorer) -> Scorer:
    """Return a copy of a scorer, the same function, whose max pooling is written as ReLUs."""
    made = copy.deepcopy(scorer)
    for parent in list(made.modules()):
        for name, module in list(parent.named_children()):
            if MaxPool.serves(module):
                setattr(parent, name, MaxPool(module))  # type: ignore[arg-type]
    return made


def _pair(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return (value, value) if isinstance(value, int) else value
