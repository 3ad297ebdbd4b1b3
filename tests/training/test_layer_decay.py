"""Trainings whose learning rates decay from the head to the input."""

from pathlib import Path

import pytest

from pcam.errors import ConfigError
from pcam.runs.files import read_metrics
from tests.conftest import SMALL
from tests.run import composed, killed_after, train
from tests.training.runs import equal_tensors, read_state

WORDS = [
    *("model=timm", "model.name=test_vit", "model.weights=none", "model.input_size=32"),
    *(*SMALL, "data.train=48", "data.valid=16", "data.test=16", "aug=none"),
    *("data.patches_per_epoch=null", "trainer.max_epochs=2"),
    *("finetune.layer_decay=0.5", "optimizer.lr=1e-3", "scheduler=none"),
]


def test_metrics_csv_has_the_rate_of_each_group(tmp_path: Path) -> None:
    train(tmp_path, *WORDS, "trainer.max_epochs=1")
    (row,) = read_metrics(tmp_path / "metrics.csv")
    found = {key: float(value) for key, value in row.items() if key.startswith("lr/backbone")}
    # The embeddings and six blocks.
    expected = {f"lr/backbone.{number}": 1e-3 * 0.5 ** (6 - number) for number in range(7)}
    assert found == pytest.approx(expected)


@pytest.mark.slow
def test_a_resumed_run_equals_an_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*WORDS, "scheduler=onecycle"]
    train(tmp_path / "whole", *words)
    killed_after(monkeypatch, 1, tmp_path / "killed", *words)
    train(tmp_path / "killed", *words, resume=True)
    assert all(equal_tensors(read_state(tmp_path / "killed"), read_state(tmp_path / "whole")))
    rows = [read_metrics(tmp_path / name / "metrics.csv") for name in ("killed", "whole")]
    for key in ("lr/backbone.0", "lr/backbone.6", "lr/head"):
        assert [row[key] for row in rows[0]] == [row[key] for row in rows[1]]


def test_a_frozen_backbone_s_groups_have_rate_zero(tmp_path: Path) -> None:
    train(tmp_path, *WORDS, "finetune=frozen_then_unfrozen", "finetune.unfreeze_epoch=1")
    rows = read_metrics(tmp_path / "metrics.csv")
    assert [float(row["lr/backbone.6"]) for row in rows] == pytest.approx([0.0, 1e-3])


def test_a_decay_without_an_effect_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"finetune.layer_decay=0.75 must be null with finetune="):
        composed("finetune=frozen", "finetune.layer_decay=0.75")
    with pytest.raises(ConfigError, match=r"the layers of model.name=googlenet are in no groups"):
        train(tmp_path, *SMALL, "model=googlenet", "model.weights=none", "finetune.layer_decay=0.9")
