import pytest
import torch
from torch import nn

from pcam.attribution.explainer import Explainer
from pcam.attribution.maps import TOLERANCE
from pcam.attribution.options import Options
from pcam.attribution.scorer import Scorer, recalibrate_batchnorm
from tests.attribution.networks import (
    convolutional_network,
    make_explainer,
    make_network,
    random_patches,
)


def test_deeplift_is_tried_in_full_precision() -> None:
    network, x = convolutional_network(nn.ReLU()), random_patches(4)
    last = [layer for layer in network.backbone.modules() if isinstance(layer, nn.Conv2d)][-1]
    last.bias.data[:] = 4000.0  # features far from zero, where bfloat16 has steps of 16
    rounding = Explainer(Scorer(network, "bf16-mixed"), network.backbone, Options(), x)
    assert float(rounding.maps("deeplift", x, torch.arange(4)).gap.median()) > TOLERANCE
    assert rounding.reason_not_applicable("deeplift", x) is None


def test_deeplift_is_tried_on_all_patches_together() -> None:
    x = random_patches(4)
    explainer = make_explainer(convolutional_network(nn.ReLU()))
    x[:3] = explainer.baseline(x[:3])  # the gap of a patch without change is rounding only
    assert explainer.reason_not_applicable("deeplift", x) is None

    without_rule = make_explainer(convolutional_network(nn.SiLU()))
    some = random_patches(4)
    some[:2] = without_rule.baseline(some[:2])
    assert "misses the change" in without_rule.reason_not_applicable("deeplift", some)


@pytest.mark.slow
def test_deeplift_is_tried_in_full_precision_and_on_all_patches_of_large_networks() -> None:
    network, x = make_network("resnet10t"), random_patches(4, 64)
    recalibrate_batchnorm(network, x)
    norms = [one for one in network.backbone.modules() if isinstance(one, nn.BatchNorm2d)]
    norms[-1].bias.data[:] = 1e4
    rounding = Explainer(Scorer(network, "bf16-mixed"), network.backbone, Options(), x)
    assert float(rounding.maps("deeplift", x, torch.arange(4)).gap.median()) > TOLERANCE
    assert rounding.reason_not_applicable("deeplift", x) is None
    white = Explainer(Scorer(network), network.backbone, Options(), x)
    x[:3] = white.baseline(x[:3])
    assert white.reason_not_applicable("deeplift", x) is None

    silu = make_network("efficientnet_b0")
    recalibrate_batchnorm(silu, random_patches(4, 64))
    explainer = make_explainer(silu)
    some = random_patches(4, 64)
    some[:2] = explainer.baseline(some[:2])
    assert "misses the change" in explainer.reason_not_applicable("deeplift", some)
