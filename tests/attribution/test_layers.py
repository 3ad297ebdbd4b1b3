import pytest
from torch import nn

from pcam.attribution.layers import default_layer, find_layer, named_layers
from pcam.attribution.scorer import Scorer
from pcam.errors import ConfigError
from tests.attribution.networks import make_explainer, make_network, random_patches, with_backbone


def layer_name(alias: str, name: str, size: int = 64, **settings: object) -> str:
    network = make_network(name, **settings)
    return find_layer(Scorer(network), alias, random_patches(1, size))[0]


def test_first_and_last_convolution_of_small_networks() -> None:
    assert layer_name("last", "test_resnet", 32) == "layer3"
    assert layer_name("first", "test_resnet", 32) == "conv1.0"
    assert layer_name("last", "test_efficientnet", 64) == "bn2"


@pytest.mark.slow
def test_first_and_last_convolution_of_large_networks() -> None:
    assert layer_name("last", "resnet10t") == "layer4"
    assert layer_name("first", "resnet10t") == "conv1.0"
    assert layer_name("last", "vgg16", pool="flatten", input_size=64) == "features.29"
    assert layer_name("last", "densenet121") == "features"
    assert layer_name("last", "efficientnet_b0") == "bn2"


def test_the_identity_in_the_classifier_s_place_is_not_the_last_map() -> None:
    assert layer_name("last", "test_resnet", 32, pool="flatten", input_size=32) == "layer3"


def test_a_layer_by_its_name() -> None:
    scorer, x = Scorer(make_network()), random_patches(1, 32)
    assert find_layer(scorer, "layer3", x)[1] is named_layers(scorer.network)["layer3"]
    with pytest.raises(ConfigError, match=r"layer=layr3 is not a layer.*layer3"):
        find_layer(scorer, "layr3", x)


def test_a_network_without_convolutions_has_no_last_map() -> None:
    network = with_backbone(nn.Sequential(nn.Flatten(), nn.Linear(48, 4)), nn.Linear(4, 1))
    with pytest.raises(ConfigError, match="no convolution with a map"):
        find_layer(Scorer(network), "last", random_patches(1, 4))


def test_a_transformer_s_only_convolution_is_not_its_last_map() -> None:
    network, x = make_network("test_vit", input_size=160), random_patches(1, 160)
    with pytest.raises(ConfigError, match=r"patch_embed.proj is the only convolution"):
        find_layer(Scorer(network), "last", x)


def test_googlenet_has_a_default_layer_of_its_own() -> None:
    assert default_layer(make_network(), "googlenet") == "inception5b"
    assert default_layer(make_network(), "resnet18") == "last"


def test_a_layer_after_pooling_has_no_map() -> None:
    pooled = make_explainer(make_network(), "global_pool")
    reason = pooled.reason_not_applicable("gradcam", random_patches(1, 32))
    assert reason is not None
    assert "not the channels of a map" in reason


def test_a_layer_that_returns_its_input_has_no_map() -> None:
    network = make_network()
    network.backbone.layer1 = nn.Sequential(network.backbone.layer1, nn.Identity())
    explainer = make_explainer(network, "layer1.1")
    reason = explainer.reason_not_applicable("gradcam", random_patches(1, 32))
    assert reason == "the layer returns its input unchanged"
