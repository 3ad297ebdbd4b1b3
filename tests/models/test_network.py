from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from pcam.data.crop import Crop
from pcam.data.sources.synthetic.source import SyntheticSource
from pcam.errors import ConfigError
from pcam.models.losses import count_outputs, cross_entropy
from pcam.models.network import Network, count_features
from pcam.training.preparation import build_classifier
from tests.run import composed

HEAD = {"pool": "avg", "hidden": None, "dropout": 0.0, "batch_norm": False}


@pytest.fixture(scope="module")
def patches() -> torch.Tensor:
    return torch.from_numpy(SyntheticSource("train", 8).read(np.arange(8))).permute(0, 3, 1, 2)


def build_network(**settings: object) -> Network:
    torch.manual_seed(0)
    defaults = {
        "name": "test_resnet",
        "kwargs": {},
        "input_size": 32,
        "interpolation": "bilinear",
        "mean": None,
        "std": None,
        "head": HEAD,
        "outputs": 2,
    }
    return Network(**{**defaults, **settings})


# Parameters of the backbone, without ImageNet's classifier.
MILLIONS = {
    "resnet50": 23.5,
    "efficientnet_b0": 4.0,
    "vgg16": 14.7,
    "densenet201": 18.1,
    "xception": 20.8,
    "googlenet": 5.6,
}
SLOW = ("vgg16", "densenet201", "xception")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in MILLIONS],
)
def test_networks_of_the_study_take_raw_patches(name: str, patches: torch.Tensor) -> None:
    config = composed(f"model={name}", "model.input_size=96", "model.weights=none")
    network = build_classifier(config).network.eval()
    with torch.no_grad():
        out = network(patches[:2])
    assert out.shape == (2,)
    assert out.dtype == torch.float32
    assert torch.isfinite(out).all()
    found = network.count_parameters()["backbone"] / 1e6
    assert found == pytest.approx(MILLIONS[name], abs=0.06)
    first = next(layer for layer in network.head if isinstance(layer, nn.Linear))
    expected = 512 if name in ("vgg16", "densenet201") else count_outputs(config.loss)
    assert first.out_features == expected


def test_configs_of_the_study_s_networks() -> None:
    googlenet = composed("model=googlenet")
    assert googlenet.loss.name == "bce"
    assert (googlenet.crop.train, googlenet.crop.size) == ("center", 64)
    assert googlenet.model.input_size == 224
    assert composed("model=googlenet", "crop=none", "loss=ce").loss.name == "ce"
    assert composed("model=efficientnet_b7").model.name == "tf_efficientnet_b7"
    for name in ("vgg16", "densenet201"):
        assert composed(f"model={name}").model.head.hidden == 512


def backbone_input(network: Network, image: torch.Tensor) -> torch.Tensor:
    seen = []
    network.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network.eval()(image)
    return seen[0]


def test_nearest_repeats_pixels_bit_for_bit(patches: torch.Tensor) -> None:
    images = patches.permute(0, 2, 3, 1).numpy()
    centre = np.ascontiguousarray(Crop("center", 32, 0)(images, np.arange(8), 0))
    network = build_network(input_size=96, interpolation="nearest", mean=0.0, std=1.0)
    seen = backbone_input(network, torch.from_numpy(centre).permute(0, 3, 1, 2))
    repeated = np.repeat(np.repeat(centre, 3, axis=1), 3, axis=2)
    assert ((seen * 255).round().byte().permute(0, 2, 3, 1).numpy() == repeated).all()
    same = backbone_input(network, torch.from_numpy(repeated).permute(0, 3, 1, 2))
    assert torch.equal(seen, same)


def test_normalisation_is_that_of_the_weights_or_of_the_config() -> None:
    image = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    image[:, 0] = 255
    own = backbone_input(build_network(), image)  # test_resnet was trained with 0.5
    assert own[0, :, 0, 0].tolist() == pytest.approx([1, -1, -1])
    given = backbone_input(build_network(mean=0.5, std=[0.5, 0.25, 1]), image)
    assert given[0, :, 0, 0].tolist() == pytest.approx([1, -2, -0.5])


def test_floats_of_the_same_range_give_the_same_output_and_a_gradient(
    patches: torch.Tensor,
) -> None:
    network = build_network().eval()
    image = patches.float().requires_grad_()
    out = network(image)
    assert torch.equal(out, network(patches))
    assert torch.autograd.grad(out.sum(), image)[0].abs().sum() > 0


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_log_odds_give_the_softmax_cross_entropy(smoothing: float, patches: torch.Tensor) -> None:
    network = build_network(input_size=96).eval()
    two = network.head(network.backbone(network.normalised(patches)))
    label = torch.tensor([0, 1] * 4)
    expected = F.cross_entropy(two, label, reduction="none", label_smoothing=smoothing)
    assert torch.allclose(cross_entropy(network(patches), label, smoothing), expected, atol=1e-5)


def test_head_settings_have_an_effect() -> None:
    head = {"pool": "flatten", "hidden": 16, "dropout": 0.5, "batch_norm": True}
    network = build_network(input_size=96, head=head)
    layers = [type(layer) for layer in network.head]
    assert layers == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Dropout, nn.Linear]
    assert network.head[0].in_features > build_network().head[0].in_features


def copy_tensors(module: nn.Module) -> list[torch.Tensor]:
    return [value.clone() for value in module.state_dict().values()]


def changed(module: nn.Module, before: list[torch.Tensor]) -> Iterator[bool]:
    for now, old in zip(module.state_dict().values(), before, strict=True):
        yield not torch.equal(now, old)


def test_trap_a_frozen_backbone_whose_batchnorm_moves(patches: torch.Tensor) -> None:
    network = build_network().train()
    before = copy_tensors(network.backbone)
    network.freeze(True, keep_statistics=False)
    network.train()  # Lightning calls it again after each validation
    network(patches).sum().backward()
    assert not any(changed(network.backbone, before))
    assert all(parameter.grad is None for parameter in network.backbone.parameters())
    assert all(parameter.grad is not None for parameter in network.head.parameters())
    network.freeze(False, keep_statistics=False)
    assert all(module.training for module in network.modules())
    network(patches).sum().backward()
    assert any(changed(network.backbone, before))
    assert all(parameter.grad is not None for parameter in network.backbone.parameters())


def test_statistics_are_kept_if_asked_for_while_weights_train(patches: torch.Tensor) -> None:
    network = build_network().train()
    before = copy_tensors(network.backbone)
    network.freeze(False, keep_statistics=True)
    network(patches).sum().backward()
    assert not any(changed(network.backbone, before))
    norms = [layer for layer in network.backbone.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert norms
    assert all(not norm.training and norm.weight.grad is not None for norm in norms)


def test_an_input_size_that_the_network_does_not_take() -> None:
    with pytest.raises(ConfigError, match=r"does not take 1x1 px \(model.input_size\)"):
        count_features(nn.Conv2d(3, 4, kernel_size=5), 1, 1)


def test_a_size_that_the_head_is_not_built_for_is_an_error() -> None:
    flat = {"pool": "flatten", "hidden": 8}
    network = build_network(input_size=None, head={**HEAD, **flat})
    network.freeze(frozen=False, keep_statistics=True)
    network.train()
    modes = [module.training for module in network.modules()]
    with pytest.raises(ConfigError) as caught:
        network(torch.zeros(2, 3, 64, 64, dtype=torch.uint8))
    assert str(caught.value) == (
        "the network is built for 96 px, and patches have 64x64 px: train with "
        "model.input_size=96, or with model.head.pool=avg"
    )
    assert [module.training for module in network.modules()] == modes
    assert build_network(input_size=None)(torch.zeros(2, 3, 64, 80, dtype=torch.uint8)).shape == (
        2,
    )


@pytest.mark.parametrize(
    ("name", "size"),
    [("gcvit_xxtiny", 1), ("resmlp_12_224", 7), pytest.param("vgg11", 7, marks=pytest.mark.slow)],
)
def test_whatever_a_network_raises_about_its_size_is_one_line(name: str, size: int) -> None:
    with pytest.raises(ConfigError, match=r"model.input_size") as caught:
        build_network(name=name, input_size=size)
    assert "\n" not in str(caught.value)


def test_logits_are_finer_than_bfloat16_in_mixed_precision() -> None:
    network = build_network().eval()
    images = torch.randint(0, 256, (16, 3, 32, 32), dtype=torch.uint8)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        logits = network(images)
    assert logits.dtype == torch.float32
    assert (logits != logits.bfloat16().float()).any()
