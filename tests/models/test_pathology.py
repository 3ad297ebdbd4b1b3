"""The YAMLs of pathology's backbones build the published networks, on the meta device."""

import json
from pathlib import Path

import pytest
import timm
import torch

from pcam.config.sections import ModelConfig
from pcam.errors import ConfigError
from pcam.models.backbones import build_backbone
from pcam.models.hub import expand_model
from pcam.models.layer_names import with_layers
from pcam.models.weights import load_initial_weights
from tests.marks import slow_but
from tests.models.pathology import PUBLISHED
from tests.run import composed


def model_of(choice: str, folder: Path) -> ModelConfig:
    """Return a choice's section, expanded from a folder that stands for the hub's."""
    published = PUBLISHED[choice]
    content = {
        "architecture": published.architecture,
        "num_classes": 0,
        "model_args": {**published.arguments, "img_size": 224},
        "pretrained_cfg": {"input_size": [3, 224, 224], "fixed_input_size": True},
    }
    if published.transformers is not None:
        content = published.transformers
    (folder / "config.json").write_text(json.dumps(content))
    model = composed(f"model={choice}").model
    update = {"name": f"local-dir:{folder}", "weights": "none"}
    return expand_model(model.model_copy(update=update))


@pytest.mark.parametrize("choice", slow_but({"uni", "virchow2", "phikon"}, PUBLISHED))
def test_parameters_and_width_are_the_published_ones(choice: str, tmp_path: Path) -> None:
    published, model = PUBLISHED[choice], model_of(choice, tmp_path)
    assert model.input_size == 224
    with torch.device("meta"):
        backbone = build_backbone(model.name, model.kwargs, model.head.pool, 224)
        features = backbone.eval()(torch.empty(1, 3, 224, 224))
    count = sum(parameter.numel() for parameter in backbone.parameters())
    assert round(count / 1e6) == published.millions
    assert features.shape == (1, published.width)


@pytest.mark.parametrize("choice", sorted(PUBLISHED.keys() - {"uni2_h"}))
def test_a_smaller_scale_needs_no_hub(choice: str) -> None:
    assert composed(f"model={choice}", "scale=smoke").model.name == "test_vit"
    assert composed(f"model={choice}").model.name.startswith("hf-hub:")


def test_the_image_tower_of_conch_is_built_as_published() -> None:
    # conch_ViT-B-16.json and coca_model.py of mahmoodlab/CONCH: ViT-B/16 for 448 px, width 768.
    model = composed("model=conch").model
    assert (model.input_size, model.head.pool) == (448, "cls")
    with torch.device("meta"):
        backbone = build_backbone(model.name, model.kwargs, model.head.pool, 448)
        features = backbone.eval()(torch.empty(1, 3, 448, 448))
    count = sum(parameter.numel() for parameter in backbone.parameters())
    assert round(count / 1e6) == 86
    assert features.shape == (1, 768)


def test_the_image_tower_is_read_from_conch_s_file(tmp_path: Path) -> None:
    kwargs: dict[str, object] = {"depth": 2}
    trained = build_backbone("test_vit", kwargs, "cls", 160)[0].state_dict()
    others = {
        "logit_scale": torch.ones(()),
        "visual.attn_pool_contrast.query": torch.ones(1, 8),
        "visual.ln_contrast.weight": torch.ones(8),
        "text.transformer.resblocks.0.ln_1.weight": torch.ones(8),
    }
    tower = {f"visual.trunk.{key}": value for key, value in trained.items()}
    torch.save({**others, **tower}, tmp_path / "pytorch_model.bin")
    backbone = build_backbone("test_vit", kwargs, "cls", 160)
    path = str(tmp_path / "pytorch_model.bin")
    load_initial_weights(backbone, "test_vit", kwargs, path, 160)
    read = backbone[0].state_dict()
    assert all(torch.equal(read[key], value) for key, value in trained.items())


def test_layers_are_named_from_a_table() -> None:
    assert with_layers({"mlp_layer": "SwiGLUPacked"})["mlp_layer"] is timm.layers.SwiGLUPacked
    assert with_layers({"depth": 2}) == {"depth": 2}
    with pytest.raises(ConfigError, match="mlp_layer=SwiGLUPacket is not available; did you mean"):
        with_layers({"mlp_layer": "SwiGLUPacket"})
