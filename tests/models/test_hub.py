"""Published networks: folders in timm's form, and the hub's cache on this machine."""

import json
import shutil
from pathlib import Path

import pytest
import timm
import torch
from timm.models import save_for_hf

from pcam.config.sections import ModelConfig
from pcam.errors import ConfigError, PcamError, WeightsError
from pcam.models.hub import expand_model
from pcam.models.weights import load_initial_weights
from pcam.training.preparation import build_classifier
from tests.conftest import SMALL, Terminal
from tests.run import composed

CASES = [  # the network, its arguments, and the input size that they ask for
    ("test_resnet", {}, 96),
    ("test_vit", {"img_size": 64}, 64),
    ("test_vit", {"global_pool": "avg"}, 160),
]


def publish(folder: Path, name: str = "test_resnet", **options: object) -> torch.nn.Module:
    torch.manual_seed(1)
    network = timm.create_model(name, num_classes=5, **options)
    save_for_hf(network, folder, safe_serialization=True, model_args=dict(options))
    return network.eval()


def expanded(name: str, *words: str) -> ModelConfig:
    return expand_model(composed("model=timm", f"model.name={name}", *words).model)


def build(name: str) -> None:
    build_classifier(composed().model_copy(update={"model": expanded(name)}))


@pytest.mark.parametrize(("name", "options", "size"), CASES)
def test_features_are_those_of_the_published_network(
    name: str, options: dict[str, object], size: int, tmp_path: Path
) -> None:
    published = publish(tmp_path, name, **options)
    model = expanded(f"local-dir:{tmp_path}")
    config = composed().model_copy(update={"model": model})
    network = build_classifier(config).network
    assert network.input_size == size
    load_initial_weights(
        network.backbone, model.name, model.kwargs, model.weights, network.input_size
    )
    pool = {key: value for key, value in options.items() if key == "global_pool"}
    published.reset_classifier(0, **pool)
    loaded = network.backbone.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in published.state_dict().items())
    images = torch.rand(2, 3, size, size)
    with torch.inference_mode():
        torch.testing.assert_close(network.backbone.eval()(images), published(images))


@pytest.mark.slow
def test_a_run_of_a_published_network_needs_no_folder_afterwards(
    tmp_path: Path, terminal: Terminal
) -> None:
    publish(tmp_path / "net")
    words = [*SMALL, "trainer=cpu", "trainer.max_epochs=1", "model.input_size=32"]
    answer = terminal(
        "train", "model=timm", "model.name=local-dir:net", *words, "hydra.run.dir=run"
    )
    assert answer.status == 0, answer.err
    assert "local-dir:net is timm's test_resnet" in answer.out + answer.err
    assert "BatchNorm statistics kept" in answer.out + answer.err
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["weights"]["origin"] == "model.safetensors"
    shutil.rmtree(tmp_path / "net")
    assert terminal("evaluate", "run=run", "gallery=0").status == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not in timm's form"),
        ("[]", "is not in timm's form"),
        ('{"model_args": {}}', "architecture"),
        ('{"architecture": 3}', "architecture"),
        ('{"architecture": "test_resnet", "model_args": {"checkpoint_path": "x"}}', "must not set"),
        ('{"architecture": "test_resnet", "model_args": {"pretrained": true}}', "must not set"),
        ('{"architecture": "test_resnet", "model_args": {"in_chans": 4}}', "other than 3 channels"),
        ('{"architecture": "hf-hub:a/b"}', "is not a network"),
        ('{"architecture": "os.system"}', "is not a network"),
        ('{"architecture": ""}', "name"),
        ('{"architecture": "test_resnet", "pretrained_cfg": {"mean": [123, 116, 103]}}', "mean"),
        ('{"architecture": "test_resnet", "pretrained_cfg": {"std": [0, 0.2, 0.2]}}', "std"),
        ('{"architecture": "test_vit", "model_args": {"img_size": 0}}', "input_size"),
        ('{"architecture": "test_resnet", "model_args": {"drop_rate": Infinity}}', "finite"),
    ],
)
def test_a_config_that_cannot_be_used_is_one_line(
    content: str, message: str, tmp_path: Path
) -> None:
    publish(tmp_path)
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(PcamError, match=message):
        build(f"local-dir:{tmp_path}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("local-dir:nowhere", "does not exist"),
        ("hf-hub:net", "must be hf-hub:ORG/NAME"),
        ("hf-hub:a/b/c", "must be hf-hub:ORG/NAME"),
        ("hf_hub:/b", "must be hf-hub:ORG/NAME"),
    ],
)
def test_a_name_that_cannot_be_one_is_a_fault_of_the_config(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        composed("model=timm", f"model.name={name}", "seed=0")


def test_missing_files_are_named(tmp_path: Path) -> None:
    publish(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"has no model.safetensors or pytorch_model.bin"):
        expanded(f"local-dir:{tmp_path}")
    assert expanded(f"local-dir:{tmp_path}", "model.weights=none").weights == "none"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.file_download.HF_HUB_CACHE", str(tmp_path), raising=False)
    return tmp_path


@pytest.mark.parametrize("scheme", ["hf-hub", "hf_hub"])
def test_the_hub_s_cache_is_enough(scheme: str, cache: Path) -> None:
    folder = cache / "models--somebody--net"
    commit = "0" * 40
    publish(folder / "snapshots" / commit)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(commit)
    model = expanded(f"{scheme}:somebody/net")
    assert model.name == "test_resnet"
    assert Path(model.weights).parent == folder / "snapshots" / commit


def test_weights_of_the_other_kind_are_found_in_the_cache(cache: Path) -> None:
    """Some repositories have pytorch_model.bin alone."""
    folder = cache / "models--somebody--net"
    commit = "0" * 40
    network = publish(folder / "snapshots" / commit)
    (folder / "snapshots" / commit / "model.safetensors").unlink()
    torch.save(network.state_dict(), folder / "snapshots" / commit / "pytorch_model.bin")
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(commit)
    assert Path(expanded("hf-hub:somebody/net").weights).name == "pytorch_model.bin"


def test_what_the_hub_does_not_give_says_where_to_get_it(cache: Path) -> None:
    with pytest.raises(WeightsError, match=r"cannot be reached; .*hf download somebody/net .*DIR"):
        expanded("hf-hub:somebody/net")


def test_keys_that_are_set_are_kept(tmp_path: Path) -> None:
    publish(tmp_path)
    words = ["model.mean=0.1", "model.weights=none", "model.input_size=64"]
    model = expanded(f"local-dir:{tmp_path}", *words)
    assert (model.mean, model.weights, model.input_size) == (0.1, "none", 64)
    assert model.std == list(timm.get_pretrained_cfg("test_resnet").std)
