"""DINOv2 in the form of transformers, against its own formulas on tensors of its own names."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from pcam.errors import PcamError, WeightsError
from pcam.models.hub import expand_model
from pcam.models.network import Network
from pcam.models.weights import load_initial_weights
from pcam.training.preparation import build_classifier
from tests.run import composed

WIDTH, BLOCKS, HEADS, PATCH, SIDE = 48, 2, 3, 14, 56
State = dict[str, Tensor]


@dataclass(frozen=True)
class Form:
    """A kind of DINOv2: its gated layer's width (0: not gated), and its register tokens."""

    gated: int
    registers: int
    prefix: str


FORMS = {
    "plain": Form(0, 0, ""),
    "gated": Form(128, 0, "dinov2."),  # (2/3 of 4 x 48, up to a multiple of 8)
    "registers": Form(0, 4, ""),
}


def content_of(form: Form) -> dict[str, object]:
    """Return the keys of config.json that transformers writes."""
    content = {
        "model_type": "dinov2_with_registers" if form.registers else "dinov2",
        "architectures": ["Dinov2Model"],
        "hidden_size": WIDTH,
        "num_hidden_layers": BLOCKS,
        "num_attention_heads": HEADS,
        "image_size": SIDE,
        "patch_size": PATCH,
        "mlp_ratio": 4,
        "use_swiglu_ffn": bool(form.gated),
        "layer_norm_eps": 1e-6,
        "hidden_act": "gelu",
    }
    return content | ({"num_register_tokens": form.registers} if form.registers else {})


def tensors_of(form: Form) -> State:
    """Return random tensors under the names of transformers."""
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.cls_token": (1, 1, WIDTH),
        "embeddings.mask_token": (1, WIDTH),
        "embeddings.position_embeddings": (1, 1 + (SIDE // PATCH) ** 2, WIDTH),
        "embeddings.patch_embeddings.projection.weight": (WIDTH, 3, PATCH, PATCH),
        "embeddings.patch_embeddings.projection.bias": (WIDTH,),
        "layernorm.weight": (WIDTH,),
        "layernorm.bias": (WIDTH,),
    }
    if form.registers:
        shapes["embeddings.register_tokens"] = (1, form.registers, WIDTH)
    into, out, hidden, back = "mlp.fc1", "mlp.fc2", 4 * WIDTH, 4 * WIDTH
    if form.gated:
        into, out = "mlp.weights_in", "mlp.weights_out"
        hidden, back = 2 * form.gated, form.gated
    for block in range(BLOCKS):
        start = f"encoder.layer.{block}."
        square = ["attention.attention.query", "attention.attention.key"]
        square += ["attention.attention.value", "attention.output.dense"]
        shapes |= {f"{start}{name}.weight": (WIDTH, WIDTH) for name in square}
        shapes |= {f"{start}{name}.bias": (WIDTH,) for name in square}
        shapes |= {
            f"{start}norm{i}.{part}": (WIDTH,) for i in (1, 2) for part in ("weight", "bias")
        }
        shapes |= {f"{start}layer_scale{i}.lambda1": (WIDTH,) for i in (1, 2)}
        shapes |= {f"{start}{into}.weight": (hidden, WIDTH), f"{start}{into}.bias": (hidden,)}
        shapes |= {f"{start}{out}.weight": (WIDTH, back), f"{start}{out}.bias": (WIDTH,)}
    generator = torch.Generator().manual_seed(0)
    return {key: 0.2 * torch.randn(shape, generator=generator) for key, shape in shapes.items()}


def tokens_of(state: State, form: Form, images: Tensor) -> Tensor:
    """Return the last tokens by DINOv2's formulas, (n, 1 + registers + patches, WIDTH)."""

    def linear(x: Tensor, name: str) -> Tensor:
        return F.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])

    def norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, (WIDTH,), state[f"{name}.weight"], state[f"{name}.bias"], 1e-6)

    projection = "embeddings.patch_embeddings.projection"
    weight, bias = state[f"{projection}.weight"], state[f"{projection}.bias"]
    patches = F.conv2d(images, weight, bias, stride=PATCH).flatten(2).transpose(1, 2)
    count = len(images)
    first = state["embeddings.cls_token"].expand(count, -1, -1)
    x = torch.cat([first, patches], 1) + state["embeddings.position_embeddings"]
    if form.registers:
        registers = state["embeddings.register_tokens"].expand(count, -1, -1)
        x = torch.cat([x[:, :1], registers, x[:, 1:]], 1)
    for block in range(BLOCKS):
        start = f"encoder.layer.{block}"
        y = norm(x, f"{start}.norm1")
        heads = [
            linear(y, f"{start}.attention.attention.{part}").unflatten(-1, (HEADS, -1))
            for part in ("query", "key", "value")
        ]
        query, key, value = (part.transpose(1, 2) for part in heads)
        scores = query @ key.transpose(-1, -2) / (WIDTH // HEADS) ** 0.5
        mixed = (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)
        y = linear(mixed, f"{start}.attention.output.dense")
        x = x + y * state[f"{start}.layer_scale1.lambda1"]
        y = norm(x, f"{start}.norm2")
        if form.gated:
            gate, gated = linear(y, f"{start}.mlp.weights_in").chunk(2, -1)
            y = linear(F.silu(gate) * gated, f"{start}.mlp.weights_out")
        else:
            y = linear(F.gelu(linear(y, f"{start}.mlp.fc1")), f"{start}.mlp.fc2")
        x = x + y * state[f"{start}.layer_scale2.lambda1"]
    return norm(x, "layernorm")


def publish(folder: Path, form: Form, state: State | None = None) -> State:
    """Write a folder as the hub has it, and return the tensors."""
    state = tensors_of(form) if state is None else state
    save_file(
        {form.prefix + key: value for key, value in state.items()}, folder / "model.safetensors"
    )
    (folder / "config.json").write_text(json.dumps(content_of(form)))
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]})
    )
    return state


def load(folder: Path, *words: str) -> Network:
    """Return the network with the folder's weights."""
    given = composed("model=timm", f"model.name=local-dir:{folder}", *words)
    model = expand_model(given.model)
    network = build_classifier(given.model_copy(update={"model": model})).network
    load_initial_weights(
        network.backbone, model.name, model.kwargs, model.weights, network.input_size
    )
    return network.eval()


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("pool", ["avg", "cls_avg"])
def test_features_are_those_of_its_formulas(name: str, pool: str, tmp_path: Path) -> None:
    form = FORMS[name]
    state = publish(tmp_path, form)
    network = load(tmp_path, f"model.head.pool={pool}")
    assert network.input_size == SIDE
    images = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    tokens = tokens_of(state, form, images)
    expected = tokens[:, 0]
    if pool == "cls_avg":
        expected = torch.cat([expected, tokens[:, 1 + form.registers :].mean(1)], 1)
    with torch.inference_mode():
        torch.testing.assert_close(network.backbone(images), expected, atol=1e-5, rtol=1e-5)


def test_the_normalisation_is_that_of_its_preprocessor(tmp_path: Path) -> None:
    publish(tmp_path, FORMS["plain"])
    model = expand_model(composed("model=timm", f"model.name=local-dir:{tmp_path}").model)
    assert (model.mean, model.std) == ([0.1, 0.2, 0.3], [0.4, 0.5, 0.6])
    (tmp_path / "preprocessor_config.json").unlink()
    model = expand_model(composed("model=timm", f"model.name=local-dir:{tmp_path}").model)
    assert (model.mean, model.std) == (None, None)  # timm's of such networks


def test_its_file_alone_is_read_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "pcam")
    publish(tmp_path, FORMS["plain"])
    load(tmp_path)
    assert "read as the file's keys, the names of transformers' DINOv2" in caplog.text


def test_position_embeddings_are_resampled(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "pcam")
    publish(tmp_path, FORMS["registers"])
    assert load(tmp_path, "model.input_size=28").input_size == 28
    assert "pos_embed resampled from 4 x 4 patches to 2 x 2" in caplog.text


@pytest.mark.parametrize(
    "key",
    [
        "embeddings.cls_token",
        "embeddings.position_embeddings",
        "embeddings.register_tokens",
        "embeddings.patch_embeddings.projection.weight",
        "encoder.layer.1.attention.attention.key.weight",
        "encoder.layer.0.attention.output.dense.bias",
        "layernorm.weight",
    ],
)
@pytest.mark.parametrize("change", ["missing", "of another shape"])
def test_tensors_that_do_not_fit_are_one_line(key: str, change: str, tmp_path: Path) -> None:
    form = FORMS["registers"]
    state = tensors_of(form)
    if change == "missing":
        del state[key]
    else:
        state[key] = torch.zeros(3, 5)
    publish(tmp_path, form, state)
    with pytest.raises(WeightsError, match="do not fit the network"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "vit"}, r"network of transformers \(vit\); of these only dinov2 and"),
        ({"model_type": "../x"}, r"network of transformers"),
        ({"hidden_act": "relu"}, "is not in the form of transformers: hidden_act"),
        ({"layer_norm_eps": 1e-5}, "is not in the form of transformers: layer_norm_eps"),
        ({"hidden_size": -1}, "hidden_size"),
        ({"hidden_size": 10**9}, "hidden_size"),
        ({"num_channels": 4}, "num_channels"),
        ({"num_attention_heads": 5}, "does not take"),
    ],
)
def test_a_config_that_cannot_be_used_is_one_line(
    change: dict[str, object], message: str, tmp_path: Path
) -> None:
    publish(tmp_path, FORMS["plain"])
    (tmp_path / "config.json").write_text(json.dumps(content_of(FORMS["plain"]) | change))
    with pytest.raises(PcamError, match=message):
        load(tmp_path)


def test_a_normalisation_that_cannot_be_had_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Offline, with config.json and weights in the hub's cache but not the preprocessor's file."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    commit = "0" * 40
    folder = tmp_path / "models--somebody--net"
    snapshot = folder / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(commit)
    publish(snapshot, FORMS["plain"])
    (snapshot / "preprocessor_config.json").unlink()
    given = composed("model=timm", "model.name=hf-hub:somebody/net").model
    with pytest.raises(WeightsError, match="cannot be reached"):
        expand_model(given)
    said = given.model_copy(update={"mean": 0.5, "std": 0.5})
    assert expand_model(said).mean == 0.5
    no_exist = folder / ".no_exist" / commit / "preprocessor_config.json"
    no_exist.parent.mkdir(parents=True)
    no_exist.touch()  # as the hub's library notes what the hub does not have
    assert expand_model(given).mean is None
