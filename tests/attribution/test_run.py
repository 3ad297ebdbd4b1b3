"""Maps of a run: which patches, which methods, and what cannot be explained."""

import logging
from pathlib import Path

import numpy as np
import pytest

from pcam.errors import ConfigError, DataError
from tests.attribution.runs import attribute_config, explain
from tests.conftest import SMALL
from tests.run import train

MAPS_ONLY = ["faithfulness.patches=0", "feature_maps=null"]


@pytest.mark.slow
def test_maps_do_not_depend_on_the_batch_size(trained_run: Path) -> None:
    words = [*MAPS_ONLY, "patches.pick=certain"]
    one = explain(trained_run, *words, "data.batch_size=32")
    other = explain(trained_run, *words, "data.batch_size=3")
    assert one.explained.ids == other.explained.ids
    for name, maps in one.maps.items():
        scale = float(maps.values.abs().max())
        np.testing.assert_allclose(
            maps.values, other.maps[name].values, atol=1e-4 * scale, err_msg=name
        )


def test_without_faithfulness_and_feature_maps(trained_run: Path) -> None:
    attribution = explain(trained_run, *MAPS_ONLY, "methods=[saliency]")
    assert attribution.faithfulness is None
    assert attribution.feature_maps is None


def test_patches_by_their_ids(trained_run: Path) -> None:
    words = ["methods=[saliency]", "patches.ids=[test-000007,test-000002]"]
    attribution = explain(trained_run, *MAPS_ONLY, *words)
    assert attribution.explained.ids == ["test-000007", "test-000002"]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("layer=layer33", "did you mean layer3"),
        ("feature_maps=stem.conv9", "feature_maps=stem.conv9 is not a layer"),
        ("patches.ids=[test-000099]", "not among this split's 40 patches"),
        ("faithfulness.cell=33", "is more than half a patch"),
        ("window=40", "window=40 is more than half a patch"),
    ],
)
def test_settings_that_do_not_fit_the_run(trained_run: Path, word: str, message: str) -> None:
    with pytest.raises((ConfigError, DataError), match=message):
        explain(trained_run, "faithfulness.patches=0", word)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("methods=[gradcan]", "did you mean gradcam"),
        ("methods=[]", "at least 1"),
        ("methods=[saliency,gradcam,saliency]", "saliency is named more than once"),
        ("layer=null", "layer=null"),
        ("patches.pick=outcome", "did you mean outcomes"),
        ("patches.n=none", "patches.n=none"),
        ("patches.ids=[]", "at least 1"),
        ("patches.ids=[[test-000001]]", "must be text"),
        ("patches.ids=[test-000001,test-000001]", "test-000001 more than once"),
        ("baseline=grey", "baseline=grey"),
        ("precision=16-mixed", "bf16-mixed"),
        ("steps=0", "steps=0"),
        ("faithfulness.cell=0", "faithfulness.cell=0"),
        ("data.batch_size=0", "data.batch_size=0"),
    ],
)
def test_values_out_of_range_are_errors_before_the_run_is_opened(word: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        attribute_config(Path("missing"), word)


def test_if_no_method_applies(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    words = [
        "model=timm",
        "model.name=test_efficientnet",
        "model.weights=none",
        "model.input_size=32",
    ]
    train(tmp_path / "run", *words, *SMALL, "trainer.max_epochs=1", "data.limit=16")
    caplog.set_level(logging.INFO)
    with pytest.raises(ConfigError, match="none of guided_backprop applies to test_efficientnet"):
        explain(tmp_path / "run", "methods=[guided_backprop]")
    assert "guided_backprop is left out: its rule is for ReLU only" in caplog.text


def test_the_maps_of_a_transformer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    words = ["model=timm", "model.name=test_vit", "model.weights=none", "model.input_size=160"]
    train(tmp_path / "run", *words, *SMALL, "trainer.max_epochs=1", "data.limit=16")
    methods = ["gradcam", "hirescam", "attention_rollout"]
    few = [
        f"methods=[{','.join(methods)}]",
        "patches.pick=random",
        "faithfulness.patches=2",
        "faithfulness.repeated=0",
    ]
    caplog.set_level(logging.INFO)
    attribution = explain(tmp_path / "run", *few)
    assert list(attribution.maps) == methods
    assert attribution.layer == "blocks.5.norm1"
    assert attribution.maps["attention_rollout"].values.shape[1:] == (96, 96)
    assert "attention_rollout is the same whichever class is explained" in caplog.text
    with pytest.raises(ConfigError, match="patch_embed.proj is the only convolution"):
        explain(tmp_path / "run", *few, "layer=last")
    with pytest.raises(ConfigError, match="none of gradcam applies to test_vit"):
        explain(tmp_path / "run", *few, "methods=[gradcam]", "layer=blocks.5")
    assert "choose an earlier layer with layer=NAME" in caplog.text
