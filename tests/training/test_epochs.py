"""Callbacks at every epoch, on a trainer and a network that do nothing else."""

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from pcam.models.freezing import FreezePlan
from pcam.runs.files import read_metrics, write_json
from pcam.training.epochs import EpochTable, FreezeBackbone, MedianRule
from pcam.training.preparation import build_classifier
from tests.run import composed


def fake_trainer(epoch: int, **metrics: float) -> SimpleNamespace:
    values = {key.replace("_", "/", 1): torch.tensor(value) for key, value in metrics.items()}
    return SimpleNamespace(
        current_epoch=epoch,
        max_epochs=4,
        global_step=10 * epoch,
        is_global_zero=True,
        should_stop=False,
        callback_metrics=values,
        strategy=SimpleNamespace(broadcast=lambda value: value),
    )


def test_freeze_backbone_follows_the_epoch() -> None:
    model = build_classifier(composed("model.name=test_resnet", "model.input_size=32"))
    callback = FreezeBackbone(FreezePlan(2, keep_statistics=True))
    frozen = []
    for epoch in (0, 1, 2, 3, 1):  # the last as if an earlier epoch were resumed
        callback.on_train_epoch_start(fake_trainer(epoch), model)
        frozen.append(model.network.frozen)
    assert frozen == [True, True, False, False, True]
    assert model.network.keep_statistics
    assert callback.state_dict() == {}


def test_the_table_of_a_resumed_run_continues(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="pcam")
    path = tmp_path / "metrics.csv"
    table = EpochTable(path, lines=True)
    for epoch in (0, 1, 2):
        table.on_train_epoch_start(fake_trainer(epoch), None)
        table.on_train_epoch_end(fake_trainer(epoch, valid_auroc=0.5 + epoch / 10), None)
    again = EpochTable(path, lines=False)
    again.on_train_start(fake_trainer(1), None)  # the last checkpoint is of epoch 0
    again.on_train_epoch_start(fake_trainer(1), None)
    again.on_train_epoch_end(fake_trainer(1, valid_auroc=0.9), None)
    rows = read_metrics(path)
    assert [(row["epoch"], row["valid/auroc"]) for row in rows] == [("0", "0.5"), ("1", "0.9")]
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "epoch 1/4  valid AUROC 0.5000  (0 s)"
    assert len(lines) == 3


def write_job(folder: Path, values: list[float]) -> None:
    folder.mkdir(parents=True)
    lines = [f"{epoch},{value}" for epoch, value in enumerate(values)]
    (folder / "metrics.csv").write_text("\n".join(["epoch,valid/auroc", *lines]) + "\n")


def test_the_median_rule_ends_a_job_that_is_worse_than_half(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="pcam")
    for number in (0, 1):
        write_job(tmp_path / str(number), [0.8, 0.9])
        write_json(tmp_path / str(number) / "summary.json", {"pruned": None})
    write_job(tmp_path / "2", [0.6, 0.7])
    rule = MedianRule(tmp_path / "2", tmp_path, after=2, jobs=2)
    trainer = fake_trainer(0)
    rule.on_train_epoch_end(trainer, None)
    assert rule.verdict is None  # each job is given two epochs
    trainer = fake_trainer(1)
    rule.on_train_epoch_end(trainer, None)
    assert trainer.should_stop
    assert rule.verdict == {"epoch": 1, "auroc": 0.7, "median": 0.9, "jobs": 2}
    assert "pruned after epoch 2: valid AUROC 0.7000 is below 0.9000" in caplog.text
    resumed = MedianRule(tmp_path / "2", tmp_path, after=2, jobs=2)
    resumed.load_state_dict(rule.state_dict())
    trainer = fake_trainer(1)
    resumed.on_train_start(trainer, None)
    assert trainer.should_stop
