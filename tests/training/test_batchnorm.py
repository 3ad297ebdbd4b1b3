"""Statistics of BatchNorm follow from where the initial weights come, unless the config says."""

from pathlib import Path

import pytest
import torch

from tests.run import train
from tests.training.runs import STUDY, read_checkpoint

KEY = "network.backbone.bn1.running_mean"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    train(folder, *STUDY, "trainer.max_epochs=1")
    return folder / "checkpoints" / "best.ckpt"


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ([], True),
        pytest.param(["finetune=frozen_then_unfrozen"], True, marks=pytest.mark.slow),
        (["finetune.batchnorm=moving"], False),
        pytest.param(["finetune.batchnorm=kept"], True, marks=pytest.mark.slow),
    ],
)
def test_statistics_of_weights_that_were_trained_are_kept_by_default(
    words: list[str], kept: bool, trained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "pcam")
    before = torch.load(trained, weights_only=True)["state_dict"]
    weights = f"model.weights={trained}"
    summary = train(tmp_path, *STUDY, "trainer.max_epochs=2", weights, *words)
    after = read_checkpoint(tmp_path)["state_dict"]
    assert torch.equal(before[KEY], after[KEY]) is kept
    mode = "kept" if kept else "moving"
    assert summary["batchnorm"] == mode
    assert f"BatchNorm statistics {mode}" in caplog.text


def test_statistics_of_random_weights_move_by_default(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "pcam")
    summary = train(tmp_path, *STUDY, "trainer.max_epochs=1")
    assert summary["batchnorm"] == "moving"
    assert "BatchNorm statistics moving (auto: random weights)" in caplog.text
    assert read_checkpoint(tmp_path)["state_dict"][KEY].abs().max() > 0


@pytest.mark.slow
def test_a_resumed_run_keeps_the_statistics_as_it_began(trained: Path, tmp_path: Path) -> None:
    words = [*STUDY, f"model.weights={trained}", "scheduler=none"]
    train(tmp_path, *words, "trainer.max_epochs=1")
    before = read_checkpoint(tmp_path)["state_dict"][KEY]
    train(tmp_path, *words, "trainer.max_epochs=2", resume=True)
    assert torch.equal(before, read_checkpoint(tmp_path)["state_dict"][KEY])
