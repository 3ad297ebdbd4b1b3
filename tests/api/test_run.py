"""A run in Python: the figures of the commands, without output or files."""

import csv
import inspect
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

import pcam
from pcam import CONF
from pcam.data.sources.folder import FolderDataConfig
from pcam.evaluation.saved_run import open_split
from tests.run import run_command


@pytest.fixture(scope="module")
def run(folder: Path) -> pcam.Run:
    return pcam.load_run(folder)


@pytest.fixture(scope="module")
def patches(run: pcam.Run) -> np.ndarray:
    """Return the patches of the run's test split."""
    source = open_split(run.config.data, run.config.splits, run.config.seed, "test")
    return source.read(np.arange(len(source)))


@pytest.fixture
def files_before(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def assert_quiet(folder: Path, files_before: set[Path], capfd: pytest.CaptureFixture[str]) -> None:
    assert capfd.readouterr() == ("", "")
    assert set(folder.rglob("*")) == files_before


def test_a_run_tells_what_it_is(run: pcam.Run, folder: Path) -> None:
    assert run.folder == folder
    assert run.config.model.name == "test_resnet"
    assert run.classes == ("normal", "tumour")
    assert repr(run) == f"Run('{folder}', network='test_resnet')"


def test_predict_gives_the_probabilities_of_the_training(
    run: pcam.Run,
    patches: np.ndarray,
    folder: Path,
    files_before: set[Path],
    capfd: pytest.CaptureFixture[str],
) -> None:
    probability = run.predict(patches, batch_size=16)
    with (folder / "predictions" / "test.csv").open() as file:
        expected = [float(row["probability"]) for row in csv.DictReader(file)]
    assert probability.dtype == np.float64
    np.testing.assert_allclose(probability, expected, atol=1e-6)
    assert run.predict(patches[0]).shape == (1,)
    averaged = run.predict(patches[:4], tta="d4")
    turned = run.predict(np.rot90(patches[:4], axes=(1, 2)), tta="d4")
    np.testing.assert_allclose(turned, averaged, atol=1e-6)
    assert_quiet(folder, files_before, capfd)


def test_floats_are_refused(run: pcam.Run, patches: np.ndarray) -> None:
    with pytest.raises(pcam.DataError, match="not uint8"):
        run.predict(patches / 255)


def test_black_pictures_are_files_or_a_mistake(run: pcam.Run, tmp_path: Path) -> None:
    cast = np.random.default_rng(0).random((2, 96, 96, 3)).astype(np.uint8)
    with pytest.raises(pcam.DataError, match="cast to uint8"):
        run.predict(cast)
    with pytest.raises(pcam.DataError, match="cast to uint8"):
        run.explain(Image.fromarray(cast[0]), "saliency")
    Image.new("RGB", (96, 96)).save(tmp_path / "black.png")
    assert run.predict(tmp_path / "black.png").shape == (1,)


@pytest.mark.parametrize("batch_size", [1.5, True, "4", None])
def test_a_batch_size_is_an_integer(batch_size: object, run: pcam.Run, patches: np.ndarray) -> None:
    with pytest.raises(pcam.ConfigError, match=f"batch_size={batch_size!r} must be an integer"):
        run.predict(patches[:2], batch_size=batch_size)


def test_numbers_of_numpy_are_numbers(run: pcam.Run, patches: np.ndarray) -> None:
    assert run.predict(patches[:2], batch_size=np.int64(2)).shape == (2,)
    assert len(run.evaluate(resamples=np.int64(100), seed=np.int64(0)).probability) == 40
    assert run.explain(patches[:1], steps=np.int64(8)).maps.shape == (1, 64, 64)


def test_faults_of_predict_are_config_errors(run: pcam.Run, patches: np.ndarray) -> None:
    with pytest.raises(pcam.ConfigError, match="batch_size=0 must be at least 1"):
        run.predict(patches[:2], batch_size=0)
    for tta in (["d4"], {}, 3, "d5"):
        with pytest.raises(pcam.ConfigError, match="is not available; available: d4, flips, none"):
            run.predict(patches[:2], tta=tta)


def test_the_limit_of_sides_is_the_runs_own(
    run: pcam.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (96, 96), "pink").save(tmp_path / "a.png")
    own = FolderDataConfig(root=str(tmp_path), max_side=95)
    config = run.config.model_copy(update={"data": own})
    monkeypatch.setattr(pcam.Run, "config", config)
    for image in (tmp_path / "a.png", Image.open(tmp_path / "a.png")):
        with pytest.raises(pcam.DataError, match=r"more than data\.max_side=95"):
            run.predict(image)


def test_evaluate_gives_the_metrics_of_the_command(
    run: pcam.Run,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files_before: set[Path],
    capfd: pytest.CaptureFixture[str],
) -> None:
    words = ("threshold=youden", "calibration=temperature", "resamples=100", "split=test")
    run_command(
        monkeypatch, tmp_path, "evaluate", f"run={folder}", *words, "gallery=0", "hydra.run.dir=out"
    )
    expected = json.loads((tmp_path / "out" / "summary.json").read_text())
    capfd.readouterr()
    found = run.evaluate("test", threshold="youden", calibration="temperature", resamples=100)
    assert found.metrics == expected["test"]
    assert found.rule.threshold == expected["threshold"]["value"]
    assert_quiet(folder, files_before, capfd)


def test_evaluate_has_the_defaults_of_the_command() -> None:
    defaults = yaml.safe_load((CONF / "evaluate.yaml").read_text())
    parameters = inspect.signature(pcam.Run.evaluate).parameters
    for name, parameter in parameters.items():
        if name not in ("self", "data"):
            assert parameter.default == defaults[name], name


def test_evaluate_takes_other_data(run: pcam.Run, pcam_root: Path) -> None:
    data = {"name": "pcam", "root": str(pcam_root), "limit": 20}
    assert len(run.evaluate("test", data=data, resamples=100).probability) == 20


def test_faults_of_evaluate_are_config_errors(run: pcam.Run) -> None:
    with pytest.raises(pcam.ConfigError, match="resamples=10"):
        run.evaluate(resamples=10)
    with pytest.raises(pcam.ConfigError, match="fitted on valid"):
        run.evaluate("valid", threshold="youden")
    with pytest.raises(pcam.ConfigError, match=r"^seed='a' must be an integer$"):
        run.evaluate(seed="a")
    with pytest.raises(pcam.ConfigError, match=r"^tta=\['d4'\] must be one of none, flips, d4$"):
        run.evaluate(tta=["d4"])


def test_explain_gives_a_map_per_image(
    run: pcam.Run,
    patches: np.ndarray,
    folder: Path,
    files_before: set[Path],
    capfd: pytest.CaptureFixture[str],
) -> None:
    found = run.explain(patches[:2], method="saliency")
    assert found.method == "saliency"
    assert found.images.shape == (2, 64, 64, 3)  # the run's crop
    assert found.maps.shape == (2, 64, 64)
    assert found.maps.dtype == np.float32
    assert found.maps.std() > 0
    complete = run.explain(patches[0], steps=64, max_steps=512)
    assert complete.method == "integrated_gradients"
    assert complete.gap[0] < 0.05
    assert_quiet(folder, files_before, capfd)


def test_faults_of_explain_are_config_errors(run: pcam.Run, patches: np.ndarray) -> None:
    with pytest.raises(pcam.ConfigError, match="saliencyy"):
        run.explain(patches[:1], method="saliencyy")
    with pytest.raises(pcam.ConfigError, match="explain has no option stepz; did you mean steps"):
        run.explain(patches[:1], stepz=3)
    with pytest.raises(pcam.ConfigError, match="steps='many' is not of type int"):
        run.explain(patches[:1], steps="many")
    with pytest.raises(pcam.ConfigError, match=r"method=\['saliency'\] must be text"):
        run.explain(patches[:1], method=["saliency"])
    with pytest.raises(pcam.ConfigError, match="layer=3 must be text"):
        run.explain(patches[:1], method="gradcam", layer=3)


def test_references_of_another_size_are_a_data_error(
    run: pcam.Run, patches: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    black = np.zeros((2, 96, 96, 3), np.uint8)  # a usual reference
    assert run.explain(patches[:1], "gradient_shap", references=black).maps.shape == (1, 64, 64)
    monkeypatch.setattr("pcam.api.run.crop_for_split", lambda *_: lambda patches, *_: patches)
    with pytest.raises(pcam.DataError, match="references are 80x80 pixels, images are 96x96"):
        run.explain(patches[:1], "gradient_shap", references=patches[1:, :80, :80])


def test_a_folder_without_a_run_is_a_run_error(tmp_path: Path) -> None:
    with pytest.raises(pcam.RunError, match=r"is not a run folder: config\.yaml is missing"):
        pcam.load_run(tmp_path)


def test_a_plugin_that_only_the_run_names_is_not_imported(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    config = yaml.safe_load((copy / "config.yaml").read_text())
    config["plugins"] = ["some_plugin"]
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(pcam.PcamError, match="some_plugin"):
        pcam.load_run(copy)
