import pickle
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pcam.errors import WeightsError
from pcam.models import weights
from pcam.models.backbones import build_backbone

NAME = "test_resnet"


def fresh(pool: str = "avg") -> torch.nn.Module:
    return build_backbone(NAME, {}, pool, 32)


def classifier_state(classes: int = 10) -> dict[str, torch.Tensor]:
    import timm

    torch.manual_seed(1)
    return timm.create_model(NAME, num_classes=classes).state_dict()


@pytest.mark.parametrize("pool", ["avg", "flatten"])
@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
def test_a_file_of_any_number_of_classes_fits(tmp_path: Path, ending: str, pool: str) -> None:
    state, path = classifier_state(7), tmp_path / f"w{ending}"
    save_file(state, path) if ending == ".safetensors" else torch.save({"state_dict": state}, path)
    body = fresh(pool)
    began = weights.load_initial_weights(body, NAME, {}, str(path), 32)
    assert began.origin == path.name
    assert began.detail.startswith("sha256 ")
    loaded = {key.removeprefix("0."): value for key, value in body.state_dict().items()}
    assert all((value == state[key]).all() for key, value in loaded.items())


def test_what_does_not_fit_is_listed(tmp_path: Path) -> None:
    state = classifier_state()
    state["conv9.weight"] = torch.zeros(3)
    shape = next(key for key in state if key.startswith("layer1") and key.endswith("conv1.weight"))
    state[shape] = torch.zeros(1, 2, 3, 4)
    del state["bn1.weight"]
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(
        WeightsError,
        match="1 missing: bn1.weight; 1 unexpected: conv9.weight; 1 of another shape: " + shape,
    ):
        weights.load_initial_weights(fresh(), NAME, {}, str(tmp_path / "w.safetensors"), 32)


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return (Path.touch, (Path(self.target),))

    def __init__(self, target: Path) -> None:
        self.target = str(target)


def test_trap_a_file_that_holds_code_is_refused_and_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    for name, save in (
        ("a.pth", torch.save),
        ("b.pth", lambda thing, path: path.write_bytes(pickle.dumps(thing))),
    ):
        save({"x": Bomb(mark)}, tmp_path / name)
        with pytest.raises(WeightsError, match="cannot be read safely"):
            weights.load_initial_weights(fresh(), NAME, {}, str(tmp_path / name), 32)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("name", "content"), [("w.safetensors", b"x" * 40), ("w.pth", b""), ("w.h5", b"")]
)
def test_broken_files_are_told(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=name):
        weights.read(tmp_path / name)
    with pytest.raises(WeightsError, match="is missing"):
        weights.read(tmp_path / "none.pth")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A network that swallows every packet: a connection is neither made nor refused."""

    def hang(*_: object, **__: object) -> None:
        time.sleep(60)
        raise OSError("no network")

    import socket

    import torch.hub

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(weights, "WAIT", 1.0)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", [NAME, "googlenet", "legacy_xception"])
def test_no_network_is_known_soon(name: str) -> None:
    start = time.perf_counter()
    body = build_backbone(name, {}, "avg", 96)
    with pytest.raises(
        WeightsError, match=r"cannot be had from .*; give a file \(model.weights=FILE\)"
    ):
        weights.load_initial_weights(body, name, {}, "imagenet", 96)
    before = {key: value.clone() for key, value in body.state_dict().items()}
    began = weights.load_initial_weights(body, name, {}, "auto", 96)
    assert (began.asked, began.origin) == ("auto", "random")
    assert "cannot be had" in began.detail
    assert all((value == before[key]).all() for key, value in body.state_dict().items())
    assert time.perf_counter() - start < 15  # two attempts of at most WAIT each, and the imports


def test_a_network_without_weights_says_so() -> None:
    with pytest.raises(WeightsError, match="timm has no weights for efficientnet_b7"):
        weights.imagenet("efficientnet_b7", {}, 96)


def test_imagenet_weights_that_can_be_had_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    state = classifier_state(1000)
    monkeypatch.setattr(weights, "imagenet", lambda *_: state)
    for asked in ("imagenet", "auto"):
        body = fresh()
        began = weights.load_initial_weights(body, NAME, {}, asked, 32)
        assert began.origin == "imagenet"
        assert began.detail.startswith("timm test_resnet.")
        assert all((value == state[key]).all() for key, value in body.state_dict().items())


def test_googlenet_leaves_its_auxiliary_heads_out(tmp_path: Path) -> None:
    from torchvision.models import googlenet

    torch.save(
        googlenet(weights=None, aux_logits=True, init_weights=False).state_dict(),
        tmp_path / "g.pth",
    )
    assert weights.load_initial_weights(
        build_backbone("googlenet", {}, "avg", 96), "googlenet", {}, str(tmp_path / "g.pth"), 96
    )


def test_vgg_leaves_its_4096_wide_layers_out(tmp_path: Path) -> None:
    import timm

    state = timm.create_model("vgg11", num_classes=1000).state_dict()
    save_file(state, tmp_path / "v.safetensors")
    body = build_backbone("vgg11", {}, "flatten", 96)
    weights.load_initial_weights(body, "vgg11", {}, str(tmp_path / "v.safetensors"), 96)
    assert sum(p.numel() for p in body.parameters()) < 10e6
