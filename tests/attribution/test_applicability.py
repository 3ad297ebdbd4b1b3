import pytest
import torch
from torch import nn

from pcam.attribution.scorer import recalibrate_batchnorm
from pcam.models.network import Network
from tests.attribution.networks import (
    FunctionalReLU,
    convolutional_network,
    make_explainer,
    make_maps,
    make_network,
    random_patches,
)


def check_guided_backprop_and_deeplift(
    silu: Network, functional: Network, modules: Network, x: torch.Tensor
) -> None:
    silu_explainer = make_explainer(silu)
    functional_explainer = make_explainer(functional)
    modules_explainer = make_explainer(modules)
    assert "SiLU" in silu_explainer.reason_not_applicable("guided_backprop", x)
    reason = functional_explainer.reason_not_applicable("guided_backprop", x)
    assert "functions, not modules" in reason
    for explainer in (silu_explainer, functional_explainer):
        reason = explainer.reason_not_applicable("deeplift", x)
        assert "misses the change of the log-odds" in reason
        guided = explainer.reason_not_applicable("guided_backprop", x)
        assert explainer.reason_not_applicable("guided_gradcam", x) == guided
    assert modules_explainer.reason_not_applicable("guided_backprop", x) is None
    assert modules_explainer.reason_not_applicable("deeplift", x) is None
    # Where it does not apply, the map would be the plain gradient under another name.
    torch.testing.assert_close(
        make_maps(silu_explainer, "guided_backprop", x), make_maps(silu_explainer, "saliency", x)
    )
    guided = make_maps(modules_explainer, "guided_backprop", x)
    plain = make_maps(modules_explainer, "saliency", x)
    assert not torch.allclose(guided, plain, rtol=0.1)


def test_trap_guided_backprop_and_deeplift_do_not_apply_without_a_rule() -> None:
    check_guided_backprop_and_deeplift(
        convolutional_network(nn.SiLU()),
        convolutional_network(FunctionalReLU()),
        convolutional_network(nn.ReLU()),
        random_patches(4),
    )


@pytest.mark.slow
def test_trap_guided_backprop_and_deeplift_do_not_apply_to_large_networks_without_a_rule() -> None:
    x = random_patches(4, 64)
    networks = [make_network(name) for name in ("efficientnet_b0", "googlenet", "resnet10t")]
    for network in networks:
        # Otherwise almost nothing of a patch reaches the end of a deep random network.
        recalibrate_batchnorm(network, x)
    check_guided_backprop_and_deeplift(*networks, x)


def test_a_network_without_relu_has_no_guided_backprop() -> None:
    explainer = make_explainer(convolutional_network(nn.Identity()))
    reason = explainer.reason_not_applicable("guided_backprop", random_patches(2))
    assert reason == "the network has no ReLU"
