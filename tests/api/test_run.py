"""A run in Python: the figures of the commands, without output or files."""

import csv
import inspect
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

import pcam
from pcam import CONF
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


def test_evaluate_gives_the_metrics_of_the_command(
    run: pcam.Run,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files_before: set[Path],
    capfd: pytest.CaptureFixture[str],
) -> None:
    words = ("threshold=youden", "calibration=temperature", "resamples=100", "split=test")
    run_command(monkeypatch, tmp_path, "evaluate", f"run={folder}", *words, "hydra.run.dir=out")
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
