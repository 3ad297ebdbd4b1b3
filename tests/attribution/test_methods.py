import copy

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients, NoiseTunnel, Saliency
from torch import nn

from pcam.attribution.explainer import Explainer
from pcam.attribution.layers import named_layers
from pcam.attribution.maps import TOLERANCE
from pcam.attribution.options import Options
from pcam.attribution.scorer import Scorer
from pcam.config import registry
from tests.attribution.networks import (
    centre_network,
    linear_network,
    make_explainer,
    make_maps,
    make_network,
    random_patches,
    with_backbone,
)

# Attention rollout has tests of its own: these networks have no attention.
METHODS = [name for name in registry.methods.names() if name != "attention_rollout"]


def test_maps_of_a_linear_network_have_a_closed_form() -> None:
    network, x, references = linear_network(), random_patches(3), random_patches(1, seed=5)
    weight, white = network.backbone.weight.detach(), torch.tensor((1 - 0.5) / 0.25)
    explainer = make_explainer(network, references=references, window=4, stride=4)
    steepest = weight.abs().amax(0).expand(3, -1, -1)
    against_white = (weight * (x - white)).sum(1)
    # The value of a square of 4x4 pixels, on each of its pixels.
    cells = nn.functional.avg_pool2d(against_white[:, None], 4)[:, 0] * 16
    expected = {
        "saliency": steepest,
        "smoothgrad": steepest,
        "input_x_gradient": (weight * x).sum(1),
        "integrated_gradients": against_white,
        "deeplift": against_white,
        # With one reference only the distance is drawn, which a constant gradient does not see.
        "gradient_shap": (weight * (x - references)).sum(1),
        "occlusion": cells.repeat_interleave(4, 1).repeat_interleave(4, 2),
    }
    for method, form in expected.items():
        maps = make_maps(explainer, method, x)
        torch.testing.assert_close(maps, form, atol=1e-5, rtol=1e-5, msg=method)


def test_random_methods_converge_to_what_they_estimate() -> None:
    network, x, references = make_network(), random_patches(1), random_patches(4, seed=5)
    explainer = make_explainer(network, references=references, samples=2000, batch=250)
    torch.manual_seed(0)
    noisy = NoiseTunnel(Saliency(explainer.scorer)).attribute(
        x,
        nt_samples=2000,
        nt_samples_batch_size=250,
        stdevs=0.15 * float(x.max() - x.min()),
        abs=False,
    )
    # The mean over references of integrated gradients from each of them.
    from_references = IntegratedGradients(explainer.scorer).attribute(
        x.expand_as(references), references, n_steps=500, internal_batch_size=250
    )
    expected = {
        "smoothgrad": noisy.abs().amax(1),
        "gradient_shap": from_references.sum(1).mean(0, keepdim=True),
    }
    for method, other in expected.items():
        maps = make_maps(explainer, method, x)
        assert float((maps - other).abs().mean() / other.abs().mean()) < 0.1, method


def test_hirescam_and_not_gradcam_explains_a_head_that_weighs_places() -> None:
    network, x = make_network(), torch.zeros(1, 3, 64, 64)
    cells = nn.Conv2d(3, 1, 1, bias=False)
    cells.weight.data.fill_(1 / 3)
    map_of_4x4 = nn.Sequential(nn.AvgPool2d(16), cells)
    network.backbone = nn.Sequential(map_of_4x4, nn.Flatten())
    network.head = nn.Linear(16, 1, bias=False)
    network.head.weight.data.zero_()[0, 5] = 2.0  # the second row's second place decides
    x[:, :, 16:32, 16:32] = 1.0
    x[:, :, 48:, 48:] = 3.0  # more, in a place that the head ignores
    explainer = make_explainer(network, "0.1", references=random_patches(2, 64))
    hirescam = make_maps(explainer, "hirescam", x)[0]
    gradcam = make_maps(explainer, "gradcam", x)[0]
    assert float(hirescam[24, 24]) == pytest.approx(2.0, rel=0.1)  # the place's log-odds
    assert float(hirescam[32:, 40:].abs().sum()) == 0
    assert float(gradcam[56, 56]) > 2 * float(gradcam[24, 24])


def test_hirescam_is_gradcam_if_the_head_sees_the_mean_over_places() -> None:
    explainer, x = make_explainer(make_network(), "layer4"), random_patches(2, 64)
    hirescam, gradcam = (make_maps(explainer, name, x) for name in ("hirescam", "gradcam"))
    torch.testing.assert_close(hirescam, gradcam)


@pytest.mark.parametrize("method", METHODS)
def test_a_network_that_sees_the_centre_only_is_explained_there(method: str) -> None:
    references = random_patches(4, 96, seed=5)
    explainer, x = make_explainer(centre_network(), "conv", references), random_patches(2, 96)
    assert explainer.reason_not_applicable(method, x) is None
    maps = make_maps(explainer, method, x).abs()
    assert maps.shape == (2, 96, 96)
    assert float(maps.amax()) > 0
    in_centre = maps[:, 32:64, 32:64].sum((1, 2)) / maps.sum((1, 2))
    assert float(in_centre.min()) > 0.999


@pytest.mark.slow
def test_methods_change_neither_the_network_nor_other_random_numbers() -> None:
    network, x = make_network(), random_patches(3, 32)
    before = copy.deepcopy(network.state_dict())
    references = random_patches(4, 32, seed=5)
    explainer = make_explainer(network, "layer3", references, samples=8)
    torch.manual_seed(3)
    np.random.seed(3)
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1]
    for method in METHODS:
        together = make_maps(explainer, method, x)
        assert torch.isfinite(together).all()
        assert together.shape == (3, 32, 32)
        # A patch's map does not depend on the other patches of its batch.
        alone = explainer.maps(method, x[2:], torch.tensor([2])).values
        atol = 1e-5 * float(together.abs().max())
        torch.testing.assert_close(together[2:], alone, rtol=1e-3, atol=atol, msg=method)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert (np.random.get_state()[1] == numpy_state).all()
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert any(getattr(module, "inplace", False) for module in network.modules())


def test_another_seed_draws_other_noise() -> None:
    network, x = make_network(), random_patches(1, 32)
    maps = [
        make_maps(make_explainer(network, samples=4, seed=seed), "smoothgrad", x)
        for seed in (0, 0, 1)
    ]
    assert torch.equal(maps[0], maps[1])
    assert not torch.allclose(maps[0], maps[2], rtol=0.01)


class Jump(nn.Module):
    """A steep change somewhere on the line from white to the patch."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(200 * (x.mean((1, 2, 3)) - 1.37))[:, None]


def test_integrated_gradients_take_as_many_steps_as_a_complete_map_needs() -> None:
    head = nn.Linear(1, 1)
    head.weight.data, head.bias.data = torch.ones(1, 1), torch.zeros(1)
    network, x, index = with_backbone(Jump(), head), random_patches(2), torch.arange(2)
    limited = make_explainer(network, steps=4, max_steps=4)
    few = limited.maps("integrated_gradients", x, index)
    explainer = make_explainer(network, steps=4)
    many = explainer.maps("integrated_gradients", x, index)
    assert bool((few.gap > TOLERANCE).all())
    assert bool((many.gap <= TOLERANCE).all())
    assert few.steps.tolist() == [4, 4]
    assert bool((many.steps > 4).all())
    change = explainer.scorer(x) - explainer.scorer(torch.full_like(x, 2.0))
    torch.testing.assert_close(many.values.sum((1, 2)), change, rtol=TOLERANCE, atol=0)


def test_the_map_of_a_patch_that_equals_the_baseline_is_complete() -> None:
    white = torch.full((1, 3, 32, 32), 2.0)
    x = torch.cat([white, random_patches(2, 32)])
    explainer = make_explainer(make_network(), references=x)
    for method in ("integrated_gradients", "deeplift"):
        assert explainer.reason_not_applicable(method, x) is None
        assert float(explainer.maps(method, x, torch.arange(3)).gap[0]) < 0.01
    maps = explainer.maps("integrated_gradients", x[:1], torch.arange(1))
    assert int(maps.steps[0]) == 50


def test_gradient_shap_of_rotated_patches_that_are_not_square() -> None:
    x = random_patches(2, 32)[:, :, :24]
    references = random_patches(4, 32, seed=5)[:, :, :24]
    explainer = make_explainer(make_network(), references=references, samples=4)
    rotated = torch.rot90(x, 1, (-2, -1))
    assert make_maps(explainer, "gradient_shap", rotated).shape == (2, 32, 24)


class PreActivationBlock(nn.Module):
    """As Xception's: a ReLU first, whose input is added to the output again."""

    def __init__(self) -> None:
        super().__init__()
        self.act, self.conv = nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(self.act(x)) * 0.01 + x


def test_trap_a_shortcut_s_gradient_survives_the_relu_that_shares_its_input() -> None:
    torch.manual_seed(0)
    backbone = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        PreActivationBlock(),
        PreActivationBlock(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    explainer = make_explainer(with_backbone(backbone, nn.Linear(4, 1)))
    x = random_patches(2)
    assert float(explainer.maps("deeplift", x, torch.arange(2)).gap.max()) < 1e-3
    plain = make_maps(explainer, "saliency", x)
    guided = make_maps(explainer, "guided_backprop", x)
    # The shortcut carries all but a hundredth, and is not guided.
    assert float((plain - guided).abs().max() / plain.max()) < 0.1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("method", METHODS)
def test_maps_on_a_gpu_are_similar(method: str) -> None:
    network, x, references = make_network(), random_patches(2, 32), random_patches(4, 32, seed=5)
    explainer = make_explainer(network, "layer3", references=references)
    on_cpu = make_maps(explainer, method, x).flatten(1)
    for precision, least in (("32-true", 0.99), ("bf16-mixed", 0.9)):
        scorer = Scorer(network.cuda(), precision)
        layer = named_layers(scorer.network)["layer3"]
        on_gpu = make_maps(
            Explainer(scorer, layer, Options(max_steps=50), references.cuda()), method, x.cuda()
        )
        assert on_gpu.device.type == "cpu"
        for one, other in zip(on_cpu, on_gpu.flatten(1), strict=True):
            assert float(torch.corrcoef(torch.stack([one, other]))[0, 1]) > least
