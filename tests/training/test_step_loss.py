"""The loss of steps: when it is read, and that a bar shows it."""

from pathlib import Path
from typing import Any

import pytest
from lightning import Trainer

from pcam.training import step_loss
from pcam.training.preparation import build_classifier
from pcam.training.step_loss import ProgressBar, StepLoss
from tests.conftest import TINY
from tests.data.configs import data_module
from tests.run import composed


class ListLogger:
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, dict[str, float]]] = []

    def log_metrics(self, values: dict[str, float], step: int) -> None:
        self.rows.append((step, values))


def test_loggers_get_some_steps_losses_and_the_bar_shows_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(step_loss, "EVERY", 2)
    logger: Any = ListLogger()
    losses = StepLoss()
    logged = losses.on_train_batch_end

    def with_logger(trainer: Trainer, *arguments: Any) -> None:
        monkeypatch.setattr(Trainer, "loggers", [logger])
        logged(trainer, *arguments)
        monkeypatch.undo()
        monkeypatch.setattr(step_loss, "EVERY", 2)

    losses.on_train_batch_end = with_logger  # type: ignore[method-assign]
    trainer = Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        limit_val_batches=0,
        default_root_dir=tmp_path,
        callbacks=[ProgressBar(), losses],
    )
    words = ["data.train=80", "data.valid=16", "data.test=16", "data.batch_size=16"]
    words.append("data.patches_per_epoch=null")
    trainer.fit(build_classifier(composed(*TINY, *words)), data_module(*words))
    assert [step for step, _ in logger.rows] == [2, 4]
    assert all(row.keys() == {"train/loss_step", "epoch"} for _, row in logger.rows)
    written = "".join(capsys.readouterr())
    assert "5/5" in written
    assert "loss=" in written
