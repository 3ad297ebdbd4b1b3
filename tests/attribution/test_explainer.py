"""``explain`` as a notebook calls it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pcam.attribution.explainer import explain
from pcam.attribution.options import Options
from pcam.data.sources.synthetic.source import SyntheticSource
from pcam.errors import ConfigError
from pcam.models.classifier import PatchClassifier
from pcam.runs.folder import best_checkpoint

SOURCE = SyntheticSource("test", 8)
IMAGES = SOURCE.read(np.arange(3))[:, 16:80, 16:80]


@pytest.fixture(scope="module")
def model(trained_run: Path) -> PatchClassifier:
    return PatchClassifier.load(best_checkpoint(trained_run))


def test_maps_of_images_without_output(
    model: PatchClassifier, capfd: pytest.CaptureFixture[str]
) -> None:
    with torch.inference_mode():
        maps = explain(model, IMAGES)
    assert maps.values.shape == (3, 64, 64)
    assert maps.values.dtype == torch.float32
    assert maps.complete
    assert float(maps.gap.max()) <= 0.01
    assert capfd.readouterr() == ("", "")


def test_options_and_layer_are_used(model: PatchClassifier) -> None:
    options = Options(window=32, stride=32)
    occlusion = explain(model, IMAGES, "occlusion", options).values
    assert len(occlusion[0].unique()) <= 4
    first = explain(model, IMAGES, "gradcam", layer="layer1").values
    assert not torch.equal(first, explain(model, IMAGES, "gradcam").values)


def test_gradient_shap_needs_references(model: PatchClassifier) -> None:
    with pytest.raises(ConfigError, match="gradient_shap compares with other patches"):
        explain(model, IMAGES, "gradient_shap")
    assert explain(model, IMAGES[:1], "gradient_shap", references=IMAGES[1:]).values.any()


def test_unknown_names_are_errors(model: PatchClassifier) -> None:
    with pytest.raises(ConfigError, match="did you mean gradcam"):
        explain(model, IMAGES, "gradcan")
    with pytest.raises(ConfigError, match="layer=layr3 is not a layer"):
        explain(model, IMAGES, "gradcam", layer="layr3")


def test_a_method_that_does_not_apply_is_an_error(
    model: PatchClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model.network.backbone, "act1", torch.nn.SiLU(), raising=False)
    model.network.backbone.conv1.append(torch.nn.SiLU())
    with pytest.raises(ConfigError, match="guided_backprop does not apply.*SiLU"):
        explain(model, IMAGES, "guided_backprop")
    del model.network.backbone.conv1[-1]
