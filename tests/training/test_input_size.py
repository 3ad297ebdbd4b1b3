"""What a run does with ``model.input_size=auto``, the default."""

from pathlib import Path

import pytest

from pcam.evaluation.saved_run import open_run
from tests.conftest import SMALL
from tests.run import train
from tests.training.runs import equal_tensors, read_state

OPEN = ["model=timm", "model.name=test_resnet", *SMALL, "data.valid=32", "data.test=32"]
OPEN.append("data.patches_per_epoch=null")
ONE = "trainer.max_epochs=1"


@pytest.fixture(scope="module")
def random_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("random")
    assert train(folder, *OPEN, "model.weights=none", ONE)["input_size"] == 96
    return folder


@pytest.mark.slow
def test_patches_are_enlarged_for_trained_weights(
    random_run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "pcam")
    weights = f"model.weights={random_run / 'checkpoints' / 'best.ckpt'}"
    summary = train(tmp_path, *OPEN, weights, ONE)
    assert summary["input_size"] == 192
    assert "input 192 px (bilinear), for trained weights" in caplog.text
    assert "(model.input_size=96 is 4.0 times as fast)" in caplog.text
    assert open_run(tmp_path).model.network.input_size == 192


@pytest.mark.slow
def test_a_resumed_run_keeps_its_input(random_run: Path, tmp_path: Path) -> None:
    weights = f"model.weights={random_run / 'checkpoints' / 'best.ckpt'}"
    words = [*OPEN, weights, "scheduler=none"]
    train(tmp_path / "whole", *words, "trainer.max_epochs=2")
    train(tmp_path / "parts", *words, ONE)
    summary = train(tmp_path / "parts", *words, "trainer.max_epochs=2", resume=True)
    assert summary["input_size"] == 192
    assert all(equal_tensors(read_state(tmp_path / "whole"), read_state(tmp_path / "parts")))
