"""A folded backbone computes what the backbone computes, with the same gradients."""

import pytest
import torch
from torch import Tensor, nn

from pcam.models import folding
from pcam.models.backbones import build_backbone
from pcam.models.folding import FoldedConv, FoldedNetwork, fold_batchnorm
from pcam.models.network import Network
from tests.marks import slow_but
from tests.models.test_network import build_network

IMAGES = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
NETWORKS = {  # name: keywords of the network, and how many of its BatchNorm can be folded
    "resnet10t": ({}, 14),
    "mobilenetv2_035": ({"pad_type": "same"}, 52),
    "efficientnet_b0": ({}, 49),
    "xception": ({}, 40),
    "densenet121": ({}, 59),  # the others are not preceded by a convolution
    "vgg11_bn": ({}, 8),  # its convolutions have a bias
    "googlenet": ({}, 57),
}


def build(name: str, kwargs: dict[str, str]) -> nn.Module:
    """A backbone in train mode whose BatchNorm has fixed statistics, unlike those at the start."""
    torch.manual_seed(0)
    backbone = build_backbone(name, kwargs, "avg", 64).double().train()
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
            for value in (module.running_mean, module.running_var, module.weight, module.bias):
                assert value is not None
                value.data += torch.rand_like(value) / 2
    return backbone


def gradients(backbone: nn.Module, form: nn.Module) -> tuple[Tensor, list[Tensor]]:
    backbone.zero_grad()
    torch.manual_seed(0)
    features = form(IMAGES)
    features.square().sum().backward()
    return features.detach(), [p.grad.clone() for p in backbone.parameters() if p.grad is not None]


@pytest.mark.parametrize("name", slow_but({"resnet10t", "mobilenetv2_035"}, sorted(NETWORKS)))
def test_features_and_gradients_are_those_of_the_backbone(name: str) -> None:
    kwargs, count = NETWORKS[name]
    backbone = build(name, kwargs)
    folded = fold_batchnorm(backbone)
    assert folded is not None
    assert sum(isinstance(module, FoldedConv) for module in folded.modules()) == count
    expected, expected_gradients = gradients(backbone, backbone)
    found, found_gradients = gradients(backbone, folded)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
    assert len(found_gradients) == len(expected_gradients)
    for one, other in zip(found_gradients, expected_gradients, strict=True):
        scale = float(other.abs().max())
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-10 * scale)


def test_dropped_paths_are_those_of_the_backbone() -> None:
    backbone = build("resnet10t", {"drop_path_rate": 0.5})  # type: ignore[dict-item]
    folded = fold_batchnorm(backbone)
    assert folded is not None
    expected, _ = gradients(backbone, backbone)
    found, _ = gradients(backbone, folded)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
    assert not torch.allclose(expected, backbone.eval()(IMAGES))  # paths were dropped


def test_batchnorm_that_moves_is_not_folded() -> None:
    assert fold_batchnorm(build("resnet10t", {}).train()) is None


def test_networks_without_batchnorm_have_nothing_to_fold() -> None:
    assert fold_batchnorm(build("test_vit", {})) is None


class Shared(nn.Module):
    """A convolution whose output is used twice, and one that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.used_twice = nn.Conv2d(3, 3, 1)
        self.called_twice = nn.Conv2d(3, 3, 1)
        self.last = nn.Conv2d(3, 3, 1)
        self.norms = nn.ModuleList([nn.BatchNorm2d(3), nn.BatchNorm2d(3), nn.BatchNorm2d(3)])

    def forward(self, image: Tensor) -> Tensor:
        first = self.used_twice(image)
        second = self.called_twice(first + self.norms[0](first))
        third = self.norms[1](self.called_twice(second))
        return self.norms[2](self.last(third))  # type: ignore[no-any-return]


def test_only_convolutions_that_nothing_else_uses_are_folded() -> None:
    network = Shared().double().train()
    for module in network.norms:
        module.eval()
        module.running_mean.data += 0.5  # type: ignore[union-attr, operator]
    folded = fold_batchnorm(network)
    assert folded is not None
    assert sum(isinstance(module, FoldedConv) for module in folded.modules()) == 1
    torch.testing.assert_close(folded(IMAGES), network(IMAGES))


def norms(network: Network) -> list[nn.BatchNorm2d]:
    return [one for one in network.backbone.modules() if isinstance(one, nn.BatchNorm2d)]


def evaluated() -> tuple[Network, FoldedNetwork]:
    """A network in eval mode, whose statistics are not those at the start, and its other form."""
    network = build_network().eval()
    for norm in norms(network):
        assert norm.running_mean is not None
        norm.running_mean.uniform_(-1, 1)
    return network, FoldedNetwork(network)


def raw(count: int = 9) -> Tensor:
    return torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8)


@torch.inference_mode()
def test_in_evaluation_scores_are_those_of_the_network_also_with_new_weights() -> None:
    network, folded = evaluated()
    images = raw()
    before = network(images)
    torch.testing.assert_close(folded(images), before)
    network.load_state_dict({key: value * 1.5 for key, value in network.state_dict().items()})
    now = network(images)
    assert not torch.allclose(now, before)
    torch.testing.assert_close(folded(images), now)


@torch.inference_mode()
def test_in_evaluation_no_batchnorm_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    network, folded = evaluated()
    folded(raw())
    for norm in norms(network):
        monkeypatch.setattr(norm, "forward", None)
    folded(raw())
    with pytest.raises(TypeError):
        network(raw())


@torch.inference_mode()
def test_while_a_module_has_a_hook_the_network_is_computed_as_it_is() -> None:
    network, folded = evaluated()
    images = raw()
    before = folded(images)
    handle = norms(network)[0].register_forward_hook(lambda module, given, output: output * 0)
    assert torch.equal(folded(images), network(images))
    assert not torch.allclose(folded(images), before)
    handle.remove()
    assert torch.equal(folded(images), before)


@torch.inference_mode()
def test_another_backbone_is_folded_anew() -> None:
    network, folded = evaluated()
    folded(raw())
    other, _ = evaluated()
    other.load_state_dict({key: value * 1.5 for key, value in other.state_dict().items()})
    network.backbone = other.backbone
    images = raw()
    torch.testing.assert_close(folded(images), network(images))


@torch.inference_mode()
def test_bfloat16_is_that_of_the_network() -> None:
    network, folded = evaluated()
    images = raw()
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(folded(images), network(images), rtol=0.05, atol=0.05)
    assert folded._folded is not None  # both forms are compared in float32


@torch.inference_mode()
def test_a_network_that_cannot_be_followed_is_computed_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fold(backbone: nn.Module) -> nn.Module:
        raise ValueError("control flow")

    monkeypatch.setattr(folding, "fold_batchnorm", fold)
    network, folded = evaluated()
    images = raw()
    assert torch.equal(folded(images), network(images))


@torch.inference_mode()
def test_a_form_that_computes_something_else_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    network, folded = evaluated()
    other, _ = evaluated()
    other.load_state_dict({key: value * 1.5 for key, value in other.state_dict().items()})
    monkeypatch.setattr(folding, "fold_batchnorm", lambda backbone: other.backbone)
    images = raw()
    assert torch.equal(folded(images), network(images))


@torch.inference_mode()
def test_a_network_of_nan_has_scores_of_nan() -> None:
    network, folded = evaluated()
    network.load_state_dict({key: value * torch.nan for key, value in network.state_dict().items()})
    assert folded(raw()).isnan().all()
