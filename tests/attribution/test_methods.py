import copy

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients, NoiseTunnel, Saliency
from torch import nn

from pcam.attribution.explainer import METHODS, Explainer
from pcam.attribution.options import BASELINES, TOLERANCE, Options
from pcam.attribution.scorer import MaxPool, Scorer, find_layer, layers, recalibrate_batchnorm
from pcam.errors import ConfigError
from tests.attribution.networks import centred, explainer, linear, network, patches, with_backbone


def maps(e: Explainer, method: str, x: torch.Tensor) -> torch.Tensor:
    return e.maps(method, x, torch.arange(len(x))).values


def test_a_linear_network_s_maps_are_its_closed_form() -> None:
    net, x, references = linear(), patches(3), patches(1, seed=5)
    weight, white = net.backbone.weight.detach(), torch.tensor((1 - 0.5) / 0.25)
    e = explainer(net, references=references, window=4, stride=4)
    told = {
        name: maps(e, name, x)
        for name, one in METHODS.items()
        if not one.of_layer and name != "guided_backprop"
    }
    steepest = weight.abs().amax(0).expand(3, -1, -1)
    against_white = (weight * (x - white)).sum(1)
    cells = (
        nn.functional.avg_pool2d(against_white[:, None], 4)[:, 0] * 16
    )  # what a square of 4x4 is worth, on each pixel
    expected = {
        "saliency": steepest,
        "smoothgrad": steepest,
        "input_x_gradient": (weight * x).sum(1),
        "integrated_gradients": against_white,
        "deeplift": against_white,
        "gradient_shap": None,
        "occlusion": cells.repeat_interleave(4, 1).repeat_interleave(4, 2),
    }
    for name, form in expected.items():
        if form is not None:
            torch.testing.assert_close(told[name], form, atol=1e-5, rtol=1e-5, msg=name)
    # one reference: every draw starts there, and only how far it goes is drawn, which a constant gradient does not see
    torch.testing.assert_close(
        told["gradient_shap"], (weight * (x - references)).sum(1), atol=1e-5, rtol=1e-5
    )


def test_what_is_drawn_tends_to_what_it_estimates() -> None:
    net, x, references = network(), patches(1), patches(4, seed=5)
    e = explainer(net, references=references, samples=2000, batch=250)
    torch.manual_seed(0)
    noisy = NoiseTunnel(Saliency(e.scorer)).attribute(
        x,
        nt_samples=2000,
        nt_samples_batch_size=250,
        stdevs=0.15 * float(x.max() - x.min()),
        abs=False,
    )
    # from a reference drawn evenly, as far as drawn evenly: the mean over references of integrated gradients from each
    whole = IntegratedGradients(e.scorer).attribute(
        x.expand_as(references), references, n_steps=500, internal_batch_size=250
    )
    expected = {
        "smoothgrad": noisy.abs().amax(1),
        "gradient_shap": whole.sum(1).mean(0, keepdim=True),
    }
    for method, other in expected.items():
        one = maps(e, method, x)
        assert float((one - other).abs().mean() / other.abs().mean()) < 0.1, (
            method
        )  # of 2,000 draws


@pytest.mark.parametrize(
    ("method", "window", "stride"),
    [(name, 4, 4) for name, one in METHODS.items() if one.factor]
    + [("occlusion", 8, 2), ("occlusion", 5, 5)],
)
def test_over_networks_that_know_nothing_a_map_lies_where_chance_says(
    method: str, window: int, stride: int
) -> None:
    net, x, references = linear(), patches(1), patches(1, seed=5)
    x[:, :, :4] *= 4
    total = torch.zeros(1, 16, 16)
    for seed in range(300):
        net.backbone.weight.data = torch.randn(
            3, 16, 16, generator=torch.Generator().manual_seed(seed)
        )
        e = explainer(net, references=references, window=window, stride=stride)
        total += maps(e, method, x).abs()
    factor = METHODS[method].factor
    assert factor is not None
    expected = factor(e, x)
    assert float((total / total.mean() - expected / expected.mean()).abs().mean()) < 0.06


def test_a_head_that_tells_places_apart_is_explained_by_hirescam_and_not_by_gradcam() -> None:
    net, x = network(), torch.zeros(1, 3, 64, 64)
    cells = nn.Conv2d(3, 1, 1, bias=False)
    cells.weight.data.fill_(1 / 3)
    net.backbone = nn.Sequential(
        nn.Sequential(nn.AvgPool2d(16), cells), nn.Flatten()
    )  # a map of 4x4
    net.head = nn.Linear(16, 1, bias=False)
    net.head.weight.data.zero_()[0, 5] = 2.0  # the answer is the second row's second place
    x[:, :, 16:32, 16:32], x[:, :, 48:, 48:] = (
        1.0,
        3.0,
    )  # something there, and more of it where nobody looks
    e = explainer(net, "1", references=patches(2, 64))
    there, elsewhere = maps(e, "hirescam", x)[0], maps(e, "gradcam", x)[0]
    assert float(there[24, 24]) == pytest.approx(
        2.0, rel=0.1
    )  # what the place adds to the log-odds, a little of it spread
    assert float(there[32:, 40:].abs().sum()) == 0
    assert float(elsewhere[56, 56]) > 2 * float(elsewhere[24, 24])
    # where the head sees but the mean over places, as in most networks, the two are one
    pooled, y = explainer(network("resnet10t"), "layer4"), patches(2, 64)
    torch.testing.assert_close(maps(pooled, "hirescam", y), maps(pooled, "gradcam", y))


@pytest.mark.parametrize("method", METHODS)
def test_a_network_that_sees_the_centre_alone_is_explained_there(method: str) -> None:
    e = explainer(centred(), "conv", references=patches(4, 96, seed=5))
    x = patches(2, 96)
    assert e.refused(method, x) is None
    found = maps(e, method, x).abs()
    assert found.shape == (2, 96, 96)
    assert float(found.amax()) > 0
    assert float((found[:, 32:64, 32:64].sum((1, 2)) / found.sum((1, 2))).min()) > 0.999


def test_trap_guided_backprop_and_deeplift_are_refused_where_they_do_not_hold() -> None:
    x = patches(4, 64)
    nets = [network(name) for name in ("efficientnet_b0", "googlenet", "resnet10t")]
    for net in nets:
        recalibrate_batchnorm(
            net, x
        )  # or next to nothing of the patches is left at the end of a deep network with random weights
    silu, functional, modules = map(explainer, nets)
    assert "SiLU" in silu.refused("guided_backprop", x)
    assert "functions, not modules" in functional.refused("guided_backprop", x)
    for e in (silu, functional):
        assert "misses the change of the log-odds" in e.refused("deeplift", x)
        assert e.refused("guided_gradcam", x) == e.refused("guided_backprop", x)
    assert modules.refused("guided_backprop", x) is None
    assert modules.refused("deeplift", x) is None
    # what is refused would be the plain gradient under another name; what is not differs from it
    torch.testing.assert_close(maps(silu, "guided_backprop", x), maps(silu, "saliency", x))
    assert not torch.allclose(
        maps(modules, "guided_backprop", x), maps(modules, "saliency", x), rtol=0.1
    )


def test_deeplift_is_tried_in_full_precision_and_on_all_the_patches() -> None:
    net, x = network("resnet10t"), patches(4, 64)
    recalibrate_batchnorm(net, x)
    net.head[-1].bias.data[-1] = 1000.0  # log-odds far from zero, which bfloat16 rounds to fours
    rounding = Explainer(Scorer(net, "bf16-mixed"), net.backbone, Options(), x)
    assert float(rounding.maps("deeplift", x, torch.arange(4)).gap.median()) > TOLERANCE
    assert rounding.refused("deeplift", x) is None  # it is no rule's fault
    white = Explainer(Scorer(net), net.backbone, Options(), x)
    x[:3] = white.baseline(x[:3])  # nothing changes there, and rounding is all of it
    assert white.refused("deeplift", x) is None

    silu = network("efficientnet_b0")
    recalibrate_batchnorm(silu, patches(4, 64))
    e = explainer(silu)
    some = patches(4, 64)
    some[:2] = e.baseline(some[:2])  # a rule that is lacking is not seen on half of the patches
    assert "misses the change" in e.refused("deeplift", some)


def test_every_method_leaves_the_network_and_the_draws_of_others_alone() -> None:
    net = network()
    before, x = copy.deepcopy(net.state_dict()), patches(3, 32)
    e = explainer(net, "layer3", references=patches(4, 32, seed=5), samples=8)
    torch.manual_seed(3)
    np.random.seed(3)
    states = torch.get_rng_state(), np.random.get_state()[1]
    for method in METHODS:
        together = maps(e, method, x)
        assert torch.isfinite(together).all()
        assert together.shape == (3, 32, 32)
        alone = e.maps(
            method, x[2:], torch.tensor([2])
        ).values  # a patch's map does not depend on its company
        torch.testing.assert_close(
            together[2:], alone, rtol=1e-3, atol=1e-5 * float(together.abs().max()), msg=method
        )
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (np.random.get_state()[1] == states[1]).all()
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert all(p.requires_grad for p in net.parameters())
    assert any(getattr(module, "inplace", False) for module in net.modules())
    other = explainer(net, "layer3", references=patches(4, 32, seed=5), samples=8, seed=1)
    assert not torch.allclose(maps(e, "smoothgrad", x), maps(other, "smoothgrad", x), rtol=0.01)


def test_integrated_gradients_take_as_many_steps_as_a_complete_map_needs() -> None:
    class Steep(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.sigmoid(200 * (x.mean((1, 2, 3)) - 1.37))[
                :, None
            ]  # a jump somewhere along the way from white

    head = nn.Linear(1, 1)
    head.weight.data, head.bias.data = torch.ones(1, 1), torch.zeros(1)
    x = patches(2)
    few = explainer(with_backbone(Steep(), head), steps=4, max_steps=4).maps(
        "integrated_gradients", x, torch.arange(2)
    )
    many = explainer(with_backbone(Steep(), head), steps=4).maps(
        "integrated_gradients", x, torch.arange(2)
    )
    assert bool((few.gap > TOLERANCE).all())
    assert bool((many.gap <= TOLERANCE).all())
    assert few.steps.tolist() == [4, 4]
    assert bool((many.steps > 4).all())
    change = explainer(with_backbone(Steep(), head)).scorer(x) - explainer(
        with_backbone(Steep(), head)
    ).scorer(torch.full_like(x, 2.0))
    torch.testing.assert_close(many.values.sum((1, 2)), change, rtol=TOLERANCE, atol=0)


def test_a_patch_that_is_the_baseline_is_complete_and_refuses_nothing() -> None:
    x = torch.cat([torch.full((1, 3, 64, 64), 2.0), patches(2, 64)])  # white, in the networks' unit
    e = explainer(network("resnet10t"), references=x)
    for method in ("integrated_gradients", "deeplift"):
        assert e.refused(method, x) is None
        assert float(e.maps(method, x, torch.arange(3)).gap[0]) < 0.01
    assert int(e.maps("integrated_gradients", x[:1], torch.arange(1)).steps[0]) == 50


def test_patches_that_are_not_square_turned() -> None:
    x = patches(2, 32)[:, :, :24]
    e = explainer(network(), references=patches(4, 32, seed=5)[:, :, :24], samples=4)
    assert maps(e, "gradient_shap", torch.rot90(x, 1, (-2, -1))).shape == (2, 32, 24)


def test_what_a_patch_is_compared_with() -> None:
    net, x = linear(), patches(2)
    values = {name: explainer(net, baseline=name).baseline(x) for name in BASELINES}
    assert (
        float(values["white"].min()) == float(values["white"].max()) == pytest.approx(2.0)
    )  # (1 - 0.5) / 0.25
    assert float(values["black"].max()) == pytest.approx(-2.0)
    assert float(values["mean"].abs().max()) == 0
    torch.testing.assert_close(values["patch"][1, :, 3, 4], x[1].mean((1, 2)))


def test_a_layer_that_hands_on_what_it_is_given_has_no_map() -> None:
    net = network()
    net.backbone.layer1 = nn.Sequential(net.backbone.layer1, nn.Identity())
    e = explainer(net, "layer1.1")
    assert "hands on what it is given" in e.refused("gradcam", patches(1, 32))


def test_layers_by_name() -> None:
    x = patches(1, 64)
    assert find_layer(Scorer(network("resnet10t")), "last", x)[0] == "layer4"
    assert find_layer(Scorer(network("vgg16", head={**{"hidden": None, "dropout": 0.0, "batch_norm": False}, "pool": "flatten"},
                                     input_size=64)), "last", x)[0] == "features.29"  # fmt: skip
    flat = network(
        "resnet10t",
        head={"hidden": None, "dropout": 0.0, "batch_norm": False, "pool": "flatten"},
        input_size=64,
    )
    assert (
        find_layer(Scorer(flat), "last", x)[0] == "layer4"
    )  # not the identity in the classifier's place
    assert find_layer(Scorer(network("densenet121")), "last", x)[0] == "features"
    assert find_layer(Scorer(network("efficientnet_b0")), "last", x)[0] == "bn2"
    assert find_layer(Scorer(network("resnet10t")), "first", x)[0] == "conv1.0"
    scorer = Scorer(network("resnet10t"))
    assert find_layer(scorer, "layer3", x)[1] is layers(scorer.network)["layer3"]
    with pytest.raises(ConfigError, match=r"layer=layr3 is not a layer.*layer3"):
        find_layer(scorer, "layr3", x)
    pooled = explainer(network("resnet10t"), "global_pool")
    assert "not channels of a map" in pooled.refused("gradcam", x)


def test_lower_precision_keeps_a_map_s_meaning() -> None:
    net, x = network(), patches(2, 32)
    for method in ("saliency", "integrated_gradients", "gradcam"):
        exact, mixed = (
            Explainer(scorer, layers(scorer.network)["layer3"], Options(max_steps=50), x)
            .maps(method, x, torch.arange(2)).values.flatten(1)
            for scorer in (Scorer(net), Scorer(net, "bf16-mixed"))
        )  # fmt: skip
        assert mixed.dtype == torch.float32
        assert not torch.equal(exact, mixed)
        for one, other in zip(exact, mixed, strict=True):
            assert float(torch.corrcoef(torch.stack([one, other]))[0, 1]) > 0.95, method
            assert float(other.norm() / one.norm()) == pytest.approx(1, abs=0.1)
    with pytest.raises(ConfigError, match="precision=16-mixed is not known"):
        Scorer(net, "16-mixed")


@pytest.mark.parametrize("settings", [(2, 2, 0), (3, 2, 1), (3, 1, 1), (5, 3, 2)])
def test_trap_deeplift_over_max_pooling_adds_up(settings: tuple[int, int, int]) -> None:
    pool = nn.MaxPool2d(*settings)
    x = patches(2, 23)
    torch.testing.assert_close(MaxPool(pool)(x), pool(x), rtol=0, atol=1e-6)
    torch.manual_seed(0)
    backbone = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(inplace=True),
        pool,
        nn.Conv2d(8, 4, 3, padding=1),
        nn.ReLU(inplace=True),
    )
    e = explainer(
        with_backbone(
            nn.Sequential(backbone, nn.AdaptiveAvgPool2d(1), nn.Flatten()), nn.Linear(4, 1)
        )
    )
    assert float(e.maps("deeplift", x, torch.arange(2)).gap.max()) < 1e-3
    assert e.refused("deeplift", x) is None


def test_trap_a_shortcut_s_gradient_survives_the_relu_that_shares_its_input() -> None:
    class Block(nn.Module):  # as Xception's: a ReLU first, and what it got is added again
        def __init__(self) -> None:
            super().__init__()
            self.act, self.conv = nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(self.act(x)) * 0.01 + x

    torch.manual_seed(0)
    backbone = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), Block(), Block(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    e, x = explainer(with_backbone(backbone, nn.Linear(4, 1))), patches(2)
    assert float(e.maps("deeplift", x, torch.arange(2)).gap.max()) < 1e-3
    plain, guided = maps(e, "saliency", x), maps(e, "guided_backprop", x)
    assert (
        float((plain - guided).abs().max() / plain.max()) < 0.1
    )  # the shortcut carries all but a hundredth, unguided


@pytest.mark.parametrize(
    "wrong",
    [
        {"baseline": "blak"},
        {"steps": 0},
        {"steps": 99, "max_steps": 9},
        {"window": 4, "stride": 8},
        {"noise": 0.0},
        {"seed": -1},
    ],
)
def test_settings_that_have_no_meaning(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))}="):
        Options(**wrong)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("method", METHODS)
def test_on_a_gpu_maps_keep_their_meaning(method: str) -> None:
    net, x, references = network(), patches(2, 32), patches(4, 32, seed=5)
    here = maps(explainer(net, "layer3", references=references), method, x).flatten(1)
    for precision, least in (("32-true", 0.99), ("bf16-mixed", 0.9)):
        scorer = Scorer(net.cuda(), precision)
        e = Explainer(
            scorer, layers(scorer.network)["layer3"], Options(max_steps=50), references.cuda()
        )
        there = maps(e, method, x.cuda()).flatten(1)
        for one, other in zip(here, there, strict=True):
            assert float(torch.corrcoef(torch.stack([one, other]))[0, 1]) > least
        assert there.device.type == "cpu"
