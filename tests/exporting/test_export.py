"""``python -m pcam.export``: other libraries get the probabilities that pcam gets."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from pcam.data.sources.synthetic.source import SyntheticSource
from pcam.errors import RunError, WriteError
from pcam.evaluation.saved_run import open_run
from pcam.exporting import output
from pcam.exporting.output import written_before
from pcam.exporting.timm_folder import timm_arguments
from tests.conftest import SMALL, TINY, Terminal
from tests.marks import slow_but
from tests.run import composed, train


def raw_patches(count: int) -> np.ndarray:
    """Return patches of test, uint8 (n, 3, 96, 96)."""
    pixels = SyntheticSource("test", 40).read(np.arange(count))
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))


@torch.inference_mode()
def expected_logit(run: Path, patches: np.ndarray) -> np.ndarray:
    return open_run(run).model(torch.from_numpy(patches)).double().numpy()


def sigmoid(logit: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logit))


def run_onnx(path: Path, patches: np.ndarray) -> np.ndarray:
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(["probability"], {"patches": patches})[0]


@pytest.mark.slow
def test_onnx_takes_raw_patches_of_any_number(
    exported_run: Path, terminal: Terminal, tmp_path: Path
) -> None:
    words = ["quantize=int8", "calibration=temperature", "threshold=youden"]
    answer = terminal("export", f"run={exported_run}", *words, "hydra.run.dir=out")
    assert answer.status == 0, answer.err
    assert answer.err == ""
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    temperature = summary["temperature"]
    assert temperature != 1
    for count in (1, 3, 8):
        patches = raw_patches(count)
        probability = run_onnx(tmp_path / "out" / "model.onnx", patches)
        expected = sigmoid(expected_logit(exported_run, patches) / temperature)
        np.testing.assert_allclose(probability, expected, atol=1e-5, rtol=0)
    few_bits = run_onnx(tmp_path / "out" / "model.int8.onnx", raw_patches(8))
    assert 0 < np.abs(few_bits - probability).max() < 0.5
    cost = summary["quantized"]["auroc_difference"]
    assert cost["low"] <= cost["value"] <= cost["high"]
    assert f"AUROC on valid changes by {cost['value']:+.4f}" in answer.out


FILES = [("torchscript", "model.torchscript"), ("torch", "model.pt2")]


@pytest.mark.slow
@pytest.mark.parametrize(("to", "name"), FILES)
def test_torchs_own_files(
    to: str, name: str, exported_run: Path, terminal: Terminal, tmp_path: Path
) -> None:
    answer = terminal("export", f"run={exported_run}", f"to={to}", "hydra.run.dir=out")
    assert (answer.status, answer.err) == (0, "")
    path = str(tmp_path / "out" / name)
    patches = torch.from_numpy(raw_patches(5))
    network = torch.jit.load(path) if to == "torchscript" else torch.export.load(path).module()
    expected = sigmoid(expected_logit(exported_run, patches.numpy()))
    with torch.inference_mode():
        np.testing.assert_allclose(network(patches).numpy(), expected, atol=1e-5, rtol=0)


def test_timm_loads_the_folder(exported_run: Path, terminal: Terminal, tmp_path: Path) -> None:
    import timm

    answer = terminal("export", f"run={exported_run}", "to=safetensors", "hydra.run.dir=out")
    assert (answer.status, answer.err) == (0, "")
    backbone = timm.create_model(f"local-dir:{tmp_path / 'out'}", pretrained=True).eval()
    trained = open_run(exported_run).model.network
    for key, value in backbone.state_dict().items():
        assert torch.equal(value, trained.backbone.state_dict()[key])
    inputs = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(backbone(inputs), trained.backbone(inputs))
    settings = timm.data.resolve_model_data_config(backbone)
    assert tuple(settings["input_size"]) == (3, 64, 64)
    np.testing.assert_allclose(settings["mean"], trained.mean.flatten(), atol=1e-6)


def test_the_card_says_what_a_user_must_know(
    exported_run: Path, terminal: Terminal, tmp_path: Path
) -> None:
    words = ["to=hub:somebody/network", "dry_run=true", "license=cc0-1.0", "hydra.run.dir=out"]
    answer = terminal("export", f"run={exported_run}", *words)
    assert (answer.status, answer.err) == (0, "")
    card = (tmp_path / "out" / "README.md").read_text()
    auroc = json.loads((exported_run / "summary.json").read_text())["test"]["auroc"]["value"]
    digest = json.loads((exported_run / "summary.json").read_text())["data"]["test"]["sha256"]
    for text in (f"{auroc:.4f} [", digest, 'license: "cc0-1.0"', "uint8 (N, 3, 96, 96)"):
        assert text in card
    assert "must not be used for a diagnosis" in card


def test_the_card_of_a_backbone_says_what_is_done_by_hand(
    exported_run: Path, terminal: Terminal, tmp_path: Path
) -> None:
    words = ["to=safetensors", "calibration=temperature", "hydra.run.dir=out"]
    answer = terminal("export", f"run={exported_run}", *words)
    assert (answer.status, answer.err) == (0, "")
    card = (tmp_path / "out" / "README.md").read_text()
    (row,) = [line for line in card.splitlines() if line.startswith("| to do by hand")]
    steps = ["the centre 48 pixels", "normalisation", "resize to 64 pixels", "model.safetensors"]
    steps += ["pooling", "head.safetensors", "logistic"]
    places = [row.index(step) for step in steps]
    assert places == sorted(places)
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["crop"] == steps[0]


def code_of(card: str, patches: np.ndarray, folder: Path) -> str:
    """Return the code of a model card, with patches and a folder in place of its examples."""
    code = card.partition("```python\n")[2].partition("```")[0].replace("FOLDER", str(folder))
    lines = [line for line in code.splitlines() if not line.startswith("patches = ")]
    return "\n".join(lines)


CARDS = {
    "crop and resize": [],
    "ring": ["crop=ring", "crop.size=16", "crop.test=ring", "crop.valid=ring"],
    "token": ["model=timm", "model.name=test_vit", "model.head.pool=cls_avg"],
    "gated layers": [
        *("model=timm", "model.name=test_vit"),
        *("+model.kwargs.mlp_layer=SwiGLUPacked", "+model.kwargs.act_layer=silu"),
    ],
    "one output": ["loss=bce", "model.head.hidden=null"],
}


@pytest.mark.parametrize("kind", slow_but({"crop and resize", "token"}, CARDS))
def test_the_code_of_a_card_gives_the_run_s_probabilities(
    kind: str, exported_run: Path, terminal: Terminal, tmp_path: Path
) -> None:
    run = exported_run
    if CARDS[kind]:
        run = tmp_path / "run"
        train(run, *TINY, *SMALL, "trainer.max_epochs=1", *CARDS[kind])
    words = [f"run={run}", "to=safetensors", "calibration=temperature", "robustness=0"]
    answer = terminal("export", *words, "hydra.run.dir=out")
    assert (answer.status, answer.err) == (0, "")
    patches = raw_patches(6)
    names: dict[str, object] = {"patches": patches}
    exec(code_of((tmp_path / "out" / "README.md").read_text(), patches, tmp_path / "out"), names)
    temperature = json.loads((tmp_path / "out" / "summary.json").read_text())["temperature"]
    expected = sigmoid(expected_logit(run, patches) / temperature)
    np.testing.assert_allclose(names["probability"], expected, atol=1e-5, rtol=0)


def test_files_that_no_export_has_written_are_kept(
    exported_run: Path, terminal: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("{}")
    answer = terminal("export", f"run={exported_run}", "to=safetensors", "hydra.run.dir=mine")
    assert answer.status == 2
    assert answer.err == (
        f"error: {tmp_path / 'mine'} has config.json, which pcam.export has not written; set"
        " another hydra.run.dir\n"
    )
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["config.json"]


@pytest.mark.parametrize("files", [[{"name": "config.json"}], "config.json", None])
def test_a_summary_of_another_program_is_no_export_s(files: object, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "summary.json").write_text(json.dumps({"files": files}))
    with pytest.raises(RunError, match="has config.json, summary.json, which pcam.export has not"):
        written_before(tmp_path)


def test_an_interrupted_export_can_be_started_again(
    exported_run: Path, terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [f"run={exported_run}", "to=torchscript", "robustness=0", "hydra.run.dir=out"]
    write = output.write_file

    def full(path: Path, content: str | bytes) -> None:
        if path.name == "README.md":
            raise WriteError(f"{path} cannot be written")
        write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(output, "write_file", full)
        assert terminal("export", *words).status == 2
    assert (tmp_path / "out" / "model.torchscript").is_file()
    assert terminal("export", *words).status == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["README.md", "model.torchscript", "summary.json"]


def test_timm_s_networks_of_any_size_are_built_without_one() -> None:
    """They have a patch embedding, but are built for no input size."""
    model = composed("model=timm", "model.name=pvt_v2_b0").model
    assert "img_size" not in timm_arguments(model, 96)
    model = composed("model=timm", "model.name=test_vit").model
    assert timm_arguments(model, 96)["img_size"] == 96


@pytest.mark.slow
def test_an_export_replaces_an_earlier_one(
    exported_run: Path, terminal: Terminal, tmp_path: Path
) -> None:
    for to in ("safetensors", "torchscript", "torchscript"):
        words = [f"to={to}", "robustness=0", "hydra.run.dir=out"]
        assert terminal("export", f"run={exported_run}", *words).status == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["README.md", "model.torchscript", "summary.json"]


def test_only_the_written_files_are_uploaded(
    exported_run: Path, terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    uploaded: list[str] = []

    class Api:
        def create_repo(self, name: str, **options: object) -> str:
            return f"address of {name}"

        def upload_folder(self, *, allow_patterns: list[str], **options: object) -> None:
            uploaded.extend(allow_patterns)

    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "token")
    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    words = ["to=hub:somebody/network", "hydra.run.dir=out"]
    answer = terminal("export", f"run={exported_run}", *words)
    assert answer.out.endswith("address of somebody/network\n")
    names = ["README.md", "config.json", "head.safetensors", "model.safetensors"]
    assert sorted(uploaded) == names
    assert (tmp_path / "out" / "summary.json").is_file()  # it names a folder of this machine


def test_a_card_of_figures_without_intervals(
    exported_run: Path, terminal: Terminal, tmp_path: Path
) -> None:
    shutil.copytree(exported_run, tmp_path / "run")
    path = tmp_path / "run" / "summary.json"
    summary = json.loads(path.read_text())
    summary["test"]["auroc"] |= {"low": None, "high": None}
    path.write_text(json.dumps(summary))
    answer = terminal("export", "run=run", "to=safetensors", "hydra.run.dir=out")
    assert (answer.status, answer.err) == (0, "")
    row = f"| {summary['test']['auroc']['value']:.4f} "
    assert row in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["to=tflite"], "to=tflite must be onnx, safetensors, torchscript, torch or hub:ORG/NAME"),
        (["to=hub:name"], "to=hub:name must be"),
        (["to=torch", "quantize=int8"], "quantize=int8 needs to=onnx, not torch"),
        (["to=hub:somebody/network"], "to=hub:ORG/NAME needs a token: hf auth login"),
    ],
)
def test_what_cannot_be_is_one_line(
    words: list[str], fault: str, exported_run: Path, terminal: Terminal, tmp_path: Path
) -> None:
    answer = terminal("export", f"run={exported_run}", *words, "hydra.run.dir=out")
    assert answer.status == 2
    (line,) = answer.faults
    assert fault in line
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_another_library_predicts_the_same(
    engine: str, exported_run: Path, terminal: Terminal, tmp_path: Path
) -> None:
    pytest.importorskip(engine)
    for name in ("torch", engine):
        words = [f"engine={name}", "tta=flips", f"hydra.run.dir={name}"]
        answer = terminal("predict", f"run={exported_run}", *words)
        assert answer.status == 0, answer.err
    tables = [
        np.genfromtxt(tmp_path / name / "predictions" / "test.csv", delimiter=",", names=True)
        for name in ("torch", engine)
    ]
    np.testing.assert_allclose(tables[0]["probability"], tables[1]["probability"], atol=1e-5)
    assert not np.array_equal(tables[0]["probability"], tables[1]["probability"])
