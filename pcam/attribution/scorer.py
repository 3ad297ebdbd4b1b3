"""The network as the attribution methods need it."""

import copy

import torch
from torch import Tensor, nn

from pcam.attribution.options import PRECISIONS
from pcam.errors import ConfigError, suggest
from pcam.models.network import Network


class Scorer(nn.Module):
    """A copy of a network that maps normalised patches to log-odds, each patch on its own.

    Activations do not work in place and parameters need no gradient. So hooks see the values that
    they expect, only what the input's gradient needs is kept, and the network itself is unchanged.

    Args:
        network: to explain.
        precision: 32-true, or bf16-mixed (convolutions and products in bfloat16). Half precision
            is not offered: gradients of single pixels fall below its range.

    Raises:
        ConfigError: the precision is unknown.
    """

    def __init__(self, network: Network, precision: str = "32-true") -> None:
        super().__init__()
        if precision not in PRECISIONS:
            raise ConfigError(f"precision={precision} is unknown{suggest(precision, PRECISIONS)}")
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.precision = precision
        for module in self.modules():
            if getattr(module, "inplace", False):
                module.inplace = False  # type: ignore[assignment]
            if isinstance(module, nn.ReLU):
                module.register_forward_pre_hook(_view_inputs)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        """Return the log-odds, float32 (B,), of normalised patches (B, 3, H, W)."""
        mixed = self.precision == "bf16-mixed"
        with torch.autocast(x.device.type, torch.bfloat16, enabled=mixed):
            return self.network.score(x)

    def normalised(self, images: Tensor) -> Tensor:
        """Return raw patches, uint8 (B, 3, H, W), normalised, on the network's device."""
        return self.network.normalised(images.to(self.network.mean.device))


def _view_inputs(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Give a ReLU tensors of its own.

    Captum replaces the gradient of a ReLU's input, including the share of a shortcut that reads
    the same tensor.
    """
    return tuple(x.view_as(x) for x in inputs)


def recalibrate_batchnorm(network: Network, x: Tensor) -> None:
    """Set BatchNorm's statistics to those of normalised patches (B, 3, H, W).

    The network is in eval mode afterwards.
    """
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()
            module.momentum = None  # a cumulative mean
    network.train()
    with torch.no_grad():
        network.score(x)
    network.eval()
