import pytest
import torch
from torch import nn

from pcam.attribution.max_pooling import ReLUMaxPool
from tests.attribution.networks import make_explainer, random_patches, with_backbone


@pytest.mark.parametrize("settings", [(2, 2, 0), (3, 2, 1), (3, 1, 1), (5, 3, 2)])
def test_trap_deeplift_over_max_pooling_is_complete(settings: tuple[int, int, int]) -> None:
    pool = nn.MaxPool2d(*settings)
    x = random_patches(2, 23)
    torch.testing.assert_close(ReLUMaxPool(pool)(x), pool(x), rtol=0, atol=1e-6)
    torch.manual_seed(0)
    backbone = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(inplace=True),
        pool,
        nn.Conv2d(8, 4, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    explainer = make_explainer(with_backbone(backbone, nn.Linear(4, 1)))
    assert float(explainer.maps("deeplift", x, torch.arange(2)).gap.max()) < 1e-3
    assert explainer.reason_not_applicable("deeplift", x) is None
