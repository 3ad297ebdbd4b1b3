import pytest
import torch

from pcam.attribution.method import find_method
from pcam.config import registry
from tests.attribution.networks import linear_network, make_explainer, make_maps, random_patches

WITH_FACTOR = [name for name in registry.methods.names() if find_method(name).factor]


@pytest.mark.parametrize(
    ("method", "window", "stride"),
    [
        *[pytest.param(name, 4, 4, marks=pytest.mark.slow) for name in WITH_FACTOR],
        ("input_x_gradient", 8, 8),  # the window is occlusion's
        ("occlusion", 8, 2),
        pytest.param("occlusion", 5, 5, marks=pytest.mark.slow),
    ],
)
def test_over_random_networks_a_map_lies_where_its_factor_does(
    method: str, window: int, stride: int
) -> None:
    network, x, references = linear_network(), random_patches(1), random_patches(1, seed=5)
    x[:, :, :4] *= 4
    explainer = make_explainer(
        network, references=references, window=window, stride=stride, steps=2
    )
    weight = explainer.scorer.network.backbone.weight
    total = torch.zeros(1, 16, 16)
    for seed in range(300):
        generator = torch.Generator().manual_seed(seed)
        weight.data = torch.randn(3, 16, 16, generator=generator)
        explainer.__dict__.pop("scorer_without_max_pooling", None)
        total += make_maps(explainer, method, x).abs()
    factor = find_method(method).factor
    assert factor is not None
    expected = factor(explainer, x)
    assert float((total / total.mean() - expected / expected.mean()).abs().mean()) < 0.06
