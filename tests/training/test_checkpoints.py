"""Which epoch best.ckpt is of, and when a training stops."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from pcam.models.classifier import PatchClassifier
from tests.run import train
from tests.training.runs import STUDY, read_checkpoint

Curve = Sequence[tuple[float, float]]  # valid AUROC and loss of each epoch


@pytest.fixture
def curve(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
    """Replace what each epoch's validation logs by the values in the list."""
    values: list[tuple[float, float]] = []

    def log(self: PatchClassifier, name: str, value: float, **settings: Any) -> None:
        columns = ("valid/auroc", "valid/loss")
        if name in columns and self.trainer.state.fn == "fit":
            value = values[self.current_epoch][columns.index(name)]
        original(self, name, value, **settings)

    original = PatchClassifier.log
    monkeypatch.setattr(PatchClassifier, "log", log)
    return values


@pytest.mark.parametrize(
    ("epochs", "best"),
    [
        ([(1.0, 0.7), (1.0, 0.2), (1.0, 0.4)], 1),  # equal AUROCs: the lower loss
        ([(1.0, 0.5), (1.0, 0.5), (0.9, 0.1)], 1),  # equal losses too: the later epoch
        # AUROC decides first
        pytest.param([(0.8, 0.1), (0.9, 0.9), (0.8, 0.1)], 1, marks=pytest.mark.slow),
        ([(torch.nan, 0.9), (torch.nan, 0.3), (torch.nan, 0.6)], 1),  # none defined: the loss
        pytest.param([(torch.nan, 0.1), (0.4, 0.9), (torch.nan, 0.1)], 1, marks=pytest.mark.slow),
    ],
)
def test_ties_of_auroc_go_to_the_lower_loss_then_the_later_epoch(
    epochs: Curve, best: int, curve: list[tuple[float, float]], tmp_path: Path
) -> None:
    curve.extend(epochs)
    summary = train(tmp_path, *STUDY, "trainer.max_epochs=3")
    assert summary["best_epoch"] == best
    assert read_checkpoint(tmp_path, "best")["epoch"] == best
    assert read_checkpoint(tmp_path)["epoch"] == 2  # last.ckpt is of the last epoch


@pytest.mark.slow
def test_a_resumed_run_remembers_the_loss_of_its_best_epoch(
    curve: list[tuple[float, float]], tmp_path: Path
) -> None:
    curve.extend([(1.0, 0.2), (1.0, 0.7), (1.0, 0.1)])
    words = [*STUDY, "scheduler=none"]
    train(tmp_path, *words, "trainer.max_epochs=1")
    assert train(tmp_path, *words, "trainer.max_epochs=2", resume=True)["best_epoch"] == 0
    assert train(tmp_path, *words, "trainer.max_epochs=3", resume=True)["best_epoch"] == 2


@pytest.mark.slow
def test_a_lower_loss_at_the_same_auroc_is_an_improvement(
    curve: list[tuple[float, float]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "pcam")
    curve.extend([(1.0, 0.7), (1.0, 0.4), (1.0, 0.2), (1.0, 0.2), (1.0, 0.3), (1.0, 0.1)])
    summary = train(tmp_path, *STUDY, "trainer.max_epochs=6", "trainer.early_stopping=2")
    assert summary["epochs"] == 5
    assert "stopped after epoch 5: no better valid AUROC than 1.0000 for 2 epochs" in caplog.text
