"""Networks whose right maps are known by hand."""

import torch
from torch import Tensor, nn

from pcam.attribution.explainer import Explainer
from pcam.attribution.options import Options
from pcam.attribution.scorer import Scorer, layers
from pcam.models.network import Network

HEAD = {"pool": "avg", "hidden": None, "dropout": 0.0, "batch_norm": False}


def network(name: str = "test_resnet", **settings: object) -> Network:
    torch.manual_seed(0)
    given = {
        "name": name, "kwargs": {}, "input_size": None, "interpolation": "bilinear", "mean": 0.5, "std": 0.25,
        "head": HEAD, "outputs": 2, **settings,
    }  # fmt: skip
    return Network(**given).eval()


def with_backbone(backbone: nn.Module, head: nn.Module) -> Network:
    made = network()
    made.backbone, made.head = backbone, head
    return made.eval()


class Weighted(nn.Module):
    """Each pixel times a weight of its own: (B, 3, H, W) to (B, 1)."""

    def __init__(self, size: int = 16) -> None:
        super().__init__()
        self.weight = nn.Parameter(
            torch.randn(3, size, size, generator=torch.Generator().manual_seed(1))
        )

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.weight).sum((1, 2, 3))[:, None]


class Centre(nn.Module):
    """Looks at the centre 32x32 of 96 and at nothing else: masked there, a convolution of one pixel, ReLU, the mean."""

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


def linear() -> Network:
    head = nn.Linear(1, 1)
    head.weight.data, head.bias.data = torch.ones(1, 1), torch.full((1,), 0.3)
    return with_backbone(Weighted(), head)


def centred() -> Network:
    head = nn.Linear(8, 1, bias=False)
    head.weight.data = torch.ones(1, 8)
    return with_backbone(Centre(), head)


def explainer(
    net: Network, layer: str | None = None, references: Tensor | None = None, **options: object
) -> Explainer:
    scorer = Scorer(net)
    module = scorer.network.backbone if layer is None else layers(scorer.network)[layer]
    references = torch.zeros(1, 3, 1, 1) if references is None else references
    return Explainer(scorer, module, Options(**options), references)


def patches(count: int, size: int = 16, seed: int = 0) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(seed))
