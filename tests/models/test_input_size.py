"""The size that patches are resized to where the config leaves it open."""

import pytest

from pcam.models.input_size import choose_input_size, initial_input_size
from tests.run import composed


def size_of(*words: str, pretrained: bool = True, side: int = 96) -> int | None:
    model = composed("model=timm", "model.name=test_resnet", *words).model
    return choose_input_size(model, pretrained, side)


@pytest.mark.parametrize(
    ("side", "expected"),
    [(96, 192), (32, 224), (64, 192), (100, 200), (128, 128), (224, 224), (512, 224)],
)
def test_trained_weights_get_the_largest_multiple_of_the_patch(side: int, expected: int) -> None:
    assert size_of(side=side) == expected


@pytest.mark.parametrize("side", [32, 96, 512])
def test_random_weights_get_96_pixels(side: int) -> None:
    assert size_of(pretrained=False, side=side) == 96


@pytest.mark.parametrize("pretrained", [False, True])
def test_a_size_that_is_set_is_kept(pretrained: bool) -> None:
    assert size_of("model.input_size=64", pretrained=pretrained) == 64
    assert size_of("model.input_size=null", pretrained=pretrained) is None


@pytest.mark.parametrize("pretrained", [False, True])
def test_a_network_of_one_size_gets_it(pretrained: bool) -> None:
    assert size_of("model.name=test_vit", pretrained=pretrained) == 160


def test_a_flattened_map_keeps_the_size_that_the_head_is_built_for() -> None:
    model = composed("model=timm", "model.name=test_resnet", "model.head.pool=flatten").model
    assert choose_input_size(model, True, 96) == initial_input_size(model) == 96


@pytest.mark.parametrize("recipe", ["efficientnet_b0", "resnet50", "xception", "vgg16"])
def test_the_study_s_recipes_keep_its_size(recipe: str) -> None:
    assert composed(f"recipe={recipe}").model.input_size == 96
