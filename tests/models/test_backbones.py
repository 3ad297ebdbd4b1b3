from collections.abc import Iterator

import pytest
import torch
from torch import nn

from pcam.config import registry
from pcam.config.registry import register_backbone
from pcam.errors import ConfigError, WeightsError
from pcam.models.backbones import build_backbone, get_backbone
from pcam.models.base import Backbone, Kwargs, Pool
from pcam.models.network import Network
from pcam.models.weights import load_initial_weights
from tests.registries import restored

IMAGE = torch.zeros(2, 3, 32, 32)


@pytest.fixture
def user_entries() -> Iterator[None]:
    with restored(registry.backbones):
        yield


def test_normalisation_is_the_one_that_the_weights_makers_publish() -> None:
    assert get_backbone("resnet50").mean == (0.485, 0.456, 0.406)
    assert get_backbone("legacy_xception").mean == (0.5, 0.5, 0.5)
    assert get_backbone("googlenet").std == (0.5, 0.5, 0.5)


def test_an_unknown_name_suggests_similar_ones() -> None:
    with pytest.raises(ConfigError, match="model.name=resnet5 is not a network; did you mean"):
        get_backbone("resnet5")
    with pytest.raises(ConfigError, match="model.name=hf-hub:somebody/net is not a network"):
        get_backbone("hf-hub:somebody/net")


def test_arguments_that_the_network_does_not_take() -> None:
    with pytest.raises(ConfigError, match="does not take model.kwargs"):
        build_backbone("test_resnet", {"nonsense": 1}, "avg", 32)


def test_arguments_that_would_read_files_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"model.kwargs.checkpoint_path is set by pcam"):
        build_backbone("test_resnet", {"checkpoint_path": "x"}, "avg", 32)


def test_flatten_keeps_the_positions_of_the_last_feature_map() -> None:
    image = torch.zeros(1, 3, 96, 96)
    pooled = build_backbone("test_resnet", {}, "avg", 96).eval()(image)
    flat = build_backbone("test_resnet", {}, "flatten", 96).eval()(image)
    assert flat.shape[1] == 9 * pooled.shape[1]


@pytest.mark.usefixtures("user_entries")
@pytest.mark.parametrize("pool", ["avg", "flatten"])
def test_a_user_s_function_is_a_backbone(pool: Pool) -> None:
    @register_backbone("mine", mean=(0.1, 0.2, 0.3))
    def mine(width: int = 4) -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, width, 3, stride=2), nn.ReLU())

    head = {"pool": pool, "hidden": None, "dropout": 0.0, "batch_norm": False}
    network = Network("mine", {"width": 6}, 32, "bilinear", None, None, head, outputs=1)
    assert network(IMAGE).shape == (2,)
    assert network.head[-1].in_features == (6 if pool == "avg" else 6 * 15 * 15)
    assert network.mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])
    with pytest.raises(WeightsError, match="mine has no ImageNet weights"):
        load_initial_weights(network.backbone, "mine", {}, "imagenet", 32)
    assert load_initial_weights(network.backbone, "mine", {}, "auto", 32).origin == "random"


@pytest.mark.usefixtures("user_entries")
def test_a_user_s_class_says_what_is_known_of_its_weights() -> None:
    weights = nn.Linear(12, 2).state_dict()

    @register_backbone("known")
    class Known(Backbone):
        classifier_prefixes = ("classifier.",)
        gradcam_layer = "0"

        def build(self, kwargs: Kwargs, pool: Pool, input_size: int | None) -> nn.Module:
            return nn.Linear(12, 2)

        def imagenet_weights(
            self, kwargs: Kwargs, input_size: int | None
        ) -> dict[str, torch.Tensor]:
            return {**weights, "classifier.weight": torch.zeros(3)}

    body = build_backbone("known", {}, "avg", None)
    origin = load_initial_weights(body, "known", {}, "imagenet", None)
    assert str(origin) == "imagenet (known ImageNet weights)"
    assert torch.equal(body.weight, weights["weight"])
    assert get_backbone("known").gradcam_layer == "0"


def test_a_network_that_timm_knows_without_weights_begins_at_random(user_entries: None) -> None:
    from timm.models import register_model
    from timm.models._registry import _model_entrypoints, _module_to_models

    class Bare(nn.Module):
        def __init__(self, num_classes: int = 0) -> None:
            super().__init__()
            self.convolution = nn.Conv2d(3, 8, 3, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.convolution(x).mean((2, 3))

    @register_model
    def bare_network(pretrained: bool = False, **kwargs: object) -> nn.Module:
        return Bare()

    try:
        backbone = build_backbone("bare_network", {}, "avg", 32)
        assert backbone(IMAGE).shape == (2, 8)
        assert get_backbone("bare_network").mean == (0.485, 0.456, 0.406)
        origin = load_initial_weights(backbone, "bare_network", {}, "auto", 32)
        assert origin.origin == "random"
        assert "timm has no weights for bare_network" in origin.detail
        with pytest.raises(WeightsError, match="timm has no weights for bare_network"):
            load_initial_weights(backbone, "bare_network", {}, "imagenet", 32)
    finally:
        del _model_entrypoints["bare_network"]
        _module_to_models[__name__.rpartition(".")[2]].discard("bare_network")
