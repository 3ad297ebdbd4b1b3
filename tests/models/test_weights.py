import argparse
import pickle
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pcam.errors import WeightsError
from pcam.models.backbones import TimmBackbone, build_backbone
from pcam.models.weights import load_initial_weights, read_weights
from tests.conftest import SMALL, TINY
from tests.run import train

NAME = "test_resnet"


def build(pool: str = "avg") -> torch.nn.Module:
    return build_backbone(NAME, {}, pool, 32)


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    import timm

    torch.manual_seed(1)
    return timm.create_model(NAME, num_classes=7).state_dict()


@pytest.mark.parametrize("pool", ["avg", "flatten"])
@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
def test_a_file_of_any_number_of_classes_fits(
    state: dict[str, torch.Tensor], tmp_path: Path, ending: str, pool: str
) -> None:
    path = tmp_path / f"weights{ending}"
    if ending == ".safetensors":
        save_file(state, path)
    else:
        torch.save({"state_dict": state}, path)
    backbone = build(pool)
    origin = load_initial_weights(backbone, NAME, {}, str(path), 32)
    assert origin.origin == path.name
    assert origin.detail.startswith("sha256 ")
    for key, value in backbone.state_dict().items():
        assert torch.equal(value, state[key.removeprefix("0.")]), key


def test_keys_that_do_not_fit_are_listed(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    wrong = {**state, "conv9.weight": torch.zeros(3)}
    shape = next(key for key in wrong if key.startswith("layer1") and "conv1.weight" in key)
    wrong[shape] = torch.zeros(1, 2, 3, 4)
    del wrong["bn1.weight"]
    save_file(wrong, tmp_path / "w.safetensors")
    expected = "1 missing: bn1.weight; 1 unexpected: conv9.weight; 1 of another shape: " + shape
    with pytest.raises(WeightsError, match=expected):
        load_initial_weights(build(), NAME, {}, str(tmp_path / "w.safetensors"), 32)


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_weights_that_are_not_finite_are_refused(
    state: dict[str, torch.Tensor], tmp_path: Path, value: float
) -> None:
    wrong = {name: tensor.clone() for name, tensor in state.items()}
    wrong["bn1.running_mean"][0] = value
    save_file(wrong, tmp_path / "w.safetensors")
    with pytest.raises(
        WeightsError, match=r"are not finite: 1 of \d+ tensors \(bn1.running_mean\)"
    ):
        load_initial_weights(build(), NAME, {}, str(tmp_path / "w.safetensors"), 32)
    wrong = {**state, "fc.bias": torch.full((7,), value)}  # of the classifier, which is left out
    save_file(wrong, tmp_path / "w.safetensors")
    load_initial_weights(build(), NAME, {}, str(tmp_path / "w.safetensors"), 32)


class Bomb:
    def __init__(self, target: Path) -> None:
        self.target = str(target)

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return (Path.touch, (Path(self.target),))


@pytest.mark.parametrize("wrapped", [True, False])
def test_trap_a_file_that_holds_code_is_refused_and_not_run(wrapped: bool, tmp_path: Path) -> None:
    mark, path = tmp_path / "executed", tmp_path / "w.pth"
    if wrapped:
        torch.save({"x": Bomb(mark)}, path)
    else:
        path.write_bytes(pickle.dumps({"x": Bomb(mark)}))
    with pytest.raises(WeightsError, match="cannot be read safely"):
        load_initial_weights(build(), NAME, {}, str(path), 32)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("name", "content"), [("w.safetensors", b"x" * 40), ("w.pth", b""), ("w.h5", b"")]
)
def test_a_damaged_file_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=name):
        read_weights(tmp_path / name)


def test_a_file_without_tensors_is_refused(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "w.pth")
    with pytest.raises(
        WeightsError, match="holds no table of tensors, or more than tensors in one"
    ):
        read_weights(tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="does not exist"):
        read_weights(tmp_path / "none.pth")


def test_a_network_without_weights_says_so() -> None:
    backbone = build_backbone("efficientnet_b0", {}, "avg", 96)
    with pytest.raises(WeightsError, match="timm has no weights for efficientnet_b7"):
        load_initial_weights(backbone, "efficientnet_b7", {}, "imagenet", 96)


@pytest.mark.parametrize("asked", ["imagenet", "auto"])
def test_available_imagenet_weights_are_loaded(
    asked: str, state: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TimmBackbone, "imagenet_weights", lambda *_: state)
    backbone = build()
    origin = load_initial_weights(backbone, NAME, {}, asked, 32)
    assert origin.origin == "imagenet"
    assert origin.detail.startswith("timm test_resnet.")
    for key, value in backbone.state_dict().items():
        assert torch.equal(value, state[key]), key


def test_googlenet_s_auxiliary_heads_are_left_out(tmp_path: Path) -> None:
    from torchvision.models import googlenet

    whole = googlenet(weights=None, aux_logits=True, init_weights=False)
    torch.save(whole.state_dict(), tmp_path / "g.pth")
    backbone = build_backbone("googlenet", {}, "avg", 96)
    origin = load_initial_weights(backbone, "googlenet", {}, str(tmp_path / "g.pth"), 96)
    assert origin.origin == "g.pth"


@pytest.mark.parametrize(
    ("prefix", "table"),
    [
        ("model.", None),
        ("backbone.", None),
        ("encoder.", "state_dict"),
        ("_orig_mod.", "model"),
        ("module.", "model_state_dict"),
        ("module.encoder_q.", "net"),
        ("", "state_dict_ema"),
        ("", "model.state_dict"),
    ],
)
def test_weights_under_other_keys_are_found_and_said(
    prefix: str,
    table: str | None,
    state: dict[str, torch.Tensor],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    content: object = {f"{prefix}{key}": value for key, value in state.items()}
    for key in reversed((table or "").split(".") if table else []):
        content = {key: content, "epoch": 3, "optimizer": {"state": {0: {"step": torch.ones(1)}}}}
    torch.save(content, tmp_path / "w.pth")
    backbone = build()
    load_initial_weights(backbone, NAME, {}, str(tmp_path / "w.pth"), 32)
    for key, value in backbone.state_dict().items():
        assert torch.equal(value, state[key]), key
    (line,) = caplog.messages
    where = f"{table or ''}[{prefix}…]" if prefix else table
    assert f"w.pth, read as {where}; left out: {prefix}fc.bias, {prefix}fc.weight" in line or (
        f"w.pth, read as {where}; left out: {prefix}fc.weight, {prefix}fc.bias" in line
    )


def test_a_file_that_can_be_read_in_two_ways_is_refused(
    state: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    content = {}
    for key, value in state.items():
        content[f"encoder_q.{key}"] = content[f"encoder_k.{key}"] = value
    torch.save({"net": content}, tmp_path / "w.pth")
    message = r"net\[encoder_q\.…\] and net\[encoder_k\.…\] fit the network; save the one to use"
    with pytest.raises(WeightsError, match=message):
        load_initial_weights(build(), NAME, {}, str(tmp_path / "w.pth"), 32)


def test_state_dict_comes_before_other_tables_that_fit(
    state: dict[str, torch.Tensor], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    average = {key: value + 1 for key, value in state.items()}
    torch.save({"state_dict_ema": average, "state_dict": state}, tmp_path / "w.pth")
    backbone = build()
    load_initial_weights(backbone, NAME, {}, str(tmp_path / "w.pth"), 32)
    assert torch.equal(backbone.state_dict()["bn1.weight"], state["bn1.weight"])
    assert "not read, though it fits: state_dict_ema" in caplog.text


def test_what_does_not_fit_is_named_under_its_prefix(
    state: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    content = {f"backbone.{key}": value for key, value in state.items() if key != "bn1.weight"}
    torch.save({"model": content}, tmp_path / "w.pth")
    message = r"\(read as model\[backbone\.…\]\): 1 missing: bn1\.weight$"
    with pytest.raises(WeightsError, match=message):
        load_initial_weights(build(), NAME, {}, str(tmp_path / "w.pth"), 32)


@pytest.mark.slow
def test_trap_torchvision_s_vgg_has_a_classifier_of_another_name(tmp_path: Path) -> None:
    from torchvision.models import vgg11

    with torch.device("meta"):  # the 4096-d layers have 120 million parameters
        whole = vgg11(weights=None)
    backbone = build_backbone("vgg11", {}, "flatten", 96)
    state = {key.removeprefix("0."): value for key, value in backbone.state_dict().items()}
    left_out = set(whole.state_dict()) - set(state)
    assert {key.partition(".")[0] for key in left_out} == {"classifier"}
    for key in left_out:
        state[key] = torch.zeros(1)
    save_file(state, tmp_path / "v.safetensors")
    load_initial_weights(backbone, "vgg11", {}, str(tmp_path / "v.safetensors"), 96)


def test_trap_densenet_s_earlier_keys_are_read(tmp_path: Path) -> None:
    kwargs = {"block_config": [1, 1], "growth_rate": 8}
    backbone = build_backbone("densenet121", kwargs, "avg", 96)
    state = backbone.state_dict()
    earlier = {re.sub(r"(norm|conv)([12])\.", r"\1.\2.", key): state[key] for key in state}
    assert "features.denseblock1.denselayer1.norm.1.weight" in earlier
    save_file(earlier, tmp_path / "d.safetensors")
    fresh = build_backbone("densenet121", kwargs, "avg", 96)
    load_initial_weights(fresh, "densenet121", kwargs, str(tmp_path / "d.safetensors"), 96)
    for key, value in fresh.state_dict().items():
        assert torch.equal(value, state[key]), key


def test_a_transformer_s_weights_of_another_size_are_resampled(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    larger = build_backbone("test_vit", {}, "avg", 224)
    save_file(larger.state_dict(), tmp_path / "v.safetensors")
    backbone = build_backbone("test_vit", {}, "avg", 96)
    load_initial_weights(backbone, "test_vit", {}, str(tmp_path / "v.safetensors"), 96)
    given = larger.state_dict()
    for key, value in backbone.state_dict().items():
        if key != "pos_embed":
            assert torch.equal(value, given[key]), key
    (line,) = caplog.messages
    assert "pos_embed resampled from 14 x 14 patches to 6 x 6" in line
    # Of the prefix nothing changes; a patch's embedding is that of its place in the picture.
    here, there = backbone.state_dict()["pos_embed"], given["pos_embed"]
    assert torch.equal(here[:, :1], there[:, :1])
    smooth = torch.linspace(0, 1, 14).repeat_interleave(14)
    there[:, 1:] = smooth[None, :, None]
    save_file(given, tmp_path / "v.safetensors")
    load_initial_weights(backbone, "test_vit", {}, str(tmp_path / "v.safetensors"), 96)
    rows = backbone.state_dict()["pos_embed"][0, 1:, 0].reshape(6, 6)
    assert (rows[:, 0] - rows[:, 5]).abs().max() < 1e-6
    assert (rows[1:, 0] > rows[:-1, 0] + 0.1).all()
    assert rows.mean().item() == pytest.approx(0.5, abs=1e-3)


def test_a_transformer_s_weights_without_a_square_of_patches_are_refused(tmp_path: Path) -> None:
    backbone = build_backbone("test_vit", {}, "avg", 96)
    state = backbone.state_dict()
    save_file({**state, "pos_embed": state["pos_embed"][:, :32]}, tmp_path / "v.safetensors")
    with pytest.raises(WeightsError, match="of another shape: pos_embed$"):
        load_initial_weights(backbone, "test_vit", {}, str(tmp_path / "v.safetensors"), 96)


@pytest.mark.parametrize("name", ["test_resnet", "googlenet", "densenet121"])
def test_networks_as_tiatoolbox_keeps_them(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    kwargs = {"block_config": [1, 1], "growth_rate": 8} if name == "densenet121" else {}
    trained = build_backbone(name, kwargs, "avg", 96)
    inner = trained.features if name == "densenet121" else None
    sequential = inner or torch.nn.Sequential(*trained.children())
    content = {f"feat_extract.{key}": value for key, value in sequential.state_dict().items()}
    content["classifier.weight"] = torch.zeros(2, 8)
    torch.save(content, tmp_path / "w.pth")
    backbone = build_backbone(name, kwargs, "avg", 96)
    load_initial_weights(backbone, name, kwargs, str(tmp_path / "w.pth"), 96)
    for key, value in backbone.state_dict().items():
        assert torch.equal(value, trained.state_dict()[key]), key
    (line,) = caplog.messages
    assert "left out: classifier.weight" in line
    assert ("without features." if inner else "layers by number") in line


def test_layers_by_number_are_read_where_one_child_has_all_tensors(tmp_path: Path) -> None:
    kwargs = {"block_config": [1, 1], "growth_rate": 8}
    trained = build_backbone("densenet121", kwargs, "avg", 96)
    torch.save(torch.nn.Sequential(*trained.children()).state_dict(), tmp_path / "w.pth")
    backbone = build_backbone("densenet121", kwargs, "avg", 96)
    load_initial_weights(backbone, "densenet121", kwargs, str(tmp_path / "w.pth"), 96)
    for key, value in backbone.state_dict().items():
        assert torch.equal(value, trained.state_dict()[key]), key


@pytest.mark.parametrize(
    "embeddings",
    [
        torch.zeros(2, 197, 64),
        torch.zeros(1, 197, 64).to_sparse(),
        torch.zeros(1).expand(1, 197, 64),
    ],
    ids=["two", "sparse", "repeated"],
)
def test_position_embeddings_that_cannot_be_are_refused(
    embeddings: torch.Tensor, tmp_path: Path
) -> None:
    backbone = build_backbone("test_vit", {}, "avg", 96)
    torch.save({**backbone.state_dict(), "pos_embed": embeddings}, tmp_path / "v.pth")
    with pytest.raises(WeightsError, match="pos_embed"):
        load_initial_weights(backbone, "test_vit", {}, str(tmp_path / "v.pth"), 96)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_values_of_other_types_are_converted(
    dtype: torch.dtype, state: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    save_file({key: value.to(dtype) for key, value in state.items()}, tmp_path / "w.safetensors")
    backbone = build()
    load_initial_weights(backbone, NAME, {}, str(tmp_path / "w.safetensors"), 32)
    for key, value in backbone.state_dict().items():
        assert torch.equal(value, state[key].to(dtype).to(value.dtype)), key


def test_a_run_s_weights_can_start_another(tmp_path: Path) -> None:
    train(tmp_path / "run", *TINY, *SMALL, "trainer.max_epochs=1")
    checkpoint = torch.load(tmp_path / "run" / "checkpoints" / "best.ckpt", weights_only=True)
    trained = checkpoint["state_dict"]
    for path in ("run", "run/checkpoints/best.ckpt"):
        backbone = build()
        load_initial_weights(backbone, NAME, {}, str(tmp_path / path), 32)
        for key, value in backbone.state_dict().items():
            assert torch.equal(value, trained[f"network.backbone.{key}"]), key


def test_a_pickled_object_is_one_line_without_torch_s_advice(tmp_path: Path) -> None:
    arguments = argparse.Namespace(lr=0.1)
    torch.save({"model": {"w": torch.zeros(1)}, "args": arguments}, tmp_path / "w.pth")
    with pytest.raises(WeightsError) as failure:
        read_weights(tmp_path / "w.pth")
    assert str(failure.value) == (
        f"{tmp_path / 'w.pth'} cannot be read safely as weights (it holds a Python object "
        "(argparse.Namespace), and reading that could run code); files that hold code are refused: "
        "save model.state_dict()"
    )


def test_vgg_s_4096_wide_layers_are_left_out(tmp_path: Path) -> None:
    import timm

    backbone = build_backbone("vgg11", {}, "flatten", 96)
    state = {key.removeprefix("0."): value for key, value in backbone.state_dict().items()}
    with torch.device("meta"):  # the 4096-d layers have 120 million parameters
        whole = timm.create_model("vgg11", num_classes=2)
    left_out = {key for key in whole.state_dict() if key not in state}
    for key in left_out:
        state[key] = torch.zeros(1)
    save_file(state, tmp_path / "v.safetensors")
    load_initial_weights(backbone, "vgg11", {}, str(tmp_path / "v.safetensors"), 96)
    assert {key.partition(".")[0] for key in left_out} == {"pre_logits", "head"}
    assert sum(parameter.numel() for parameter in backbone.parameters()) < 10e6


UNUSABLE = {
    "int8": lambda one: one.to(torch.int8),
    "bool": lambda one: one > 0,
    "complex64": lambda one: one.to(torch.complex64),
    "sparse or quantized": lambda one: one.to_sparse(),
    "without values": lambda one: one.to("meta"),
    "of repeated values": lambda one: one[:1].clone().expand(one.shape),
}


@pytest.mark.parametrize("fault", UNUSABLE)
def test_weights_of_other_types_are_not_converted(
    state: dict[str, torch.Tensor], tmp_path: Path, fault: str
) -> None:
    name = next(key for key, value in state.items() if value.ndim == 4)
    torch.save({**state, name: UNUSABLE[fault](state[name])}, tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match=f"{re.escape(name)} is {fault}"):
        load_initial_weights(build(), NAME, {}, str(tmp_path / "weights.pth"), 32)


def test_a_negative_variance_is_refused(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    name = next(key for key in state if key.endswith("running_var"))
    torch.save({**state, name: -state[name]}, tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match=f"variances below zero: {re.escape(name)}"):
        load_initial_weights(build(), NAME, {}, str(tmp_path / "weights.pth"), 32)
