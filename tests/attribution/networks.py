"""Small networks, some of them with maps that are known by hand."""

import copy
from functools import cache

import torch
from torch import Tensor, nn

from pcam.attribution.explainer import Explainer
from pcam.attribution.layers import named_layers
from pcam.attribution.options import Options
from pcam.attribution.scorer import Scorer
from pcam.models.network import Network

HEAD = {"pool": "avg", "hidden": None, "dropout": 0.0, "batch_norm": False}


@cache
def build_network(name: str, pool: str, input_size: int | None) -> Network:
    torch.manual_seed(0)
    return Network(
        name=name,
        kwargs={},
        input_size=input_size,
        interpolation="bilinear",
        mean=0.5,
        std=0.25,
        head={**HEAD, "pool": pool},
        outputs=2,
    ).eval()


def make_network(
    name: str = "test_resnet", pool: str = "avg", input_size: int | None = None
) -> Network:
    """Return a network with random weights; each network is built once and copied."""
    return copy.deepcopy(build_network(name, pool, input_size))


def with_backbone(backbone: nn.Module, head: nn.Module) -> Network:
    network = make_network()
    network.backbone, network.head = backbone, head
    return network.eval()


class WeightedSum(nn.Module):
    """Each pixel times its own weight: (B, 3, H, W) to (B, 1)."""

    def __init__(self, size: int = 16) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.weight = nn.Parameter(torch.randn(3, size, size, generator=generator))

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.weight).sum((1, 2, 3))[:, None]


class Centre(nn.Module):
    """Sees the centre 32x32 of 96 only: a mask, a convolution of one pixel, ReLU, the mean."""

    def __init__(self) -> None:
        super().__init__()
        mask = torch.zeros(96, 96)
        mask[32:64, 32:64] = 1
        self.register_buffer("mask", mask)
        generator = torch.Generator().manual_seed(2)
        self.conv = nn.Conv2d(3, 8, 1, bias=False)
        self.conv.weight.data = torch.randn(8, 3, 1, 1, generator=generator)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.conv(x * self.mask)).mean((2, 3))


def linear_network() -> Network:
    head = nn.Linear(1, 1)
    head.weight.data, head.bias.data = torch.ones(1, 1), torch.full((1,), 0.3)
    return with_backbone(WeightedSum(), head)


def centre_network() -> Network:
    head = nn.Linear(8, 1, bias=False)
    head.weight.data = torch.ones(1, 8)
    return with_backbone(Centre(), head)


def convolutional_network(activation: nn.Module) -> Network:
    """A convolution, an activation, the mean."""
    torch.manual_seed(0)
    backbone = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), activation, nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    return with_backbone(backbone, nn.Linear(8, 1))


class FunctionalReLU(nn.Module):
    """A ReLU that is a function, not a module of its own."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu(x)


def make_explainer(
    network: Network,
    layer: str | None = None,
    references: Tensor | None = None,
    **options: object,
) -> Explainer:
    scorer = Scorer(network)
    module = scorer.network.backbone if layer is None else named_layers(scorer.network)[layer]
    references = torch.zeros(1, 3, 1, 1) if references is None else references
    return Explainer(scorer, module, Options(**options), references)


def random_patches(count: int, size: int = 16, seed: int = 0) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def make_maps(explainer: Explainer, method: str, x: Tensor) -> Tensor:
    return explainer.maps(method, x, torch.arange(len(x))).values
