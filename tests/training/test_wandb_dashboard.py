"""What W&B gets: read back from its offline files."""

import json
from pathlib import Path

import pytest
from PIL import Image

from pcam.errors import PcamError
from pcam.runs.folder import network_label, read_config
from tests.conftest import SMALL, TINY
from tests.run import killed_after, run_command, train
from tests.training.offline import read_offline

pytestmark = pytest.mark.usefixtures("restart_wandb")
LONG = [*TINY, *SMALL, "trainer.max_epochs=2", "logger=wandb", "logger.table=5"]
SHORT = [*LONG, "trainer.max_epochs=1"]


@pytest.mark.slow
def test_a_run_s_metrics_figures_and_patches(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    train(folder, *SHORT, "logger.artifact=true", "logger.tags=[first]", curves=True)
    (run,) = read_offline(folder)
    config = read_config(folder)
    assert run.exit == 0
    assert run.name == f"{network_label(config)} run"
    assert run.tags == ["first"]
    assert run.config["optimizer"]["lr"] == config.optimizer.lr
    written = json.loads((folder / "summary.json").read_text())
    for key, value in written.items():
        assert run.summary[key] == value, key
    assert {"train/loss_epoch", "valid/auroc", "predictions"} <= run.logged
    assert {"roc_table", "precision_recall_table", "evaluation", "curves"} <= run.logged
    (table,) = (folder / "wandb").rglob("media/table/predictions*.json")
    rows = json.loads(table.read_text())
    assert len(rows["data"]) == 5
    columns = ["id", "slide", "patch", "label", "probability", "predicted", "correct"]
    assert rows["columns"] == columns
    model = run.artifacts[f"model-{run.id}"]
    assert [entry.path for entry in model] == ["best.ckpt", "config.yaml"]
    entries = run.artifacts[f"run-{run.id}-predictions"]
    images = [entry.local_path for entry in entries if entry.path.endswith(".png")]
    assert [Image.open(path).size for path in images] == [(96, 96)] * 5


@pytest.mark.slow
def test_a_failed_run_says_so_and_a_resumed_one_has_the_same_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_after(monkeypatch, 1, tmp_path, *LONG)
    train(tmp_path, *LONG, resume=True)
    first, second = read_offline(tmp_path)
    assert (first.exit, second.exit) == (1, 0)
    assert first.id == second.id


@pytest.mark.slow
def test_a_run_that_ends_with_an_error_has_failed(tmp_path: Path) -> None:
    with pytest.raises(PcamError):
        train(tmp_path, *LONG, "optimizer.lr=1e30", "optimizer.head_lr=1e30")
    assert read_offline(tmp_path)[0].exit == 1


@pytest.mark.slow
def test_jobs_of_a_sweep_are_named_by_what_varies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = ["aug=none,dihedral", "seed=0,1", "hydra.sweep.dir=multirun/tried"]
    run_command(monkeypatch, tmp_path, "train", "-m", *SHORT, *sweep)
    runs = read_offline(tmp_path)
    assert [run.name for run in runs] == [
        "aug=none seed=0",
        "aug=none seed=1",
        "aug=dihedral seed=0",
        "aug=dihedral seed=1",
    ]
    assert {run.group for run in runs} == {"tried"}
    assert len({run.id for run in runs}) == 4
    for number, run in enumerate(runs):
        path = tmp_path / "multirun" / "tried" / str(number) / "summary.json"
        assert run.exit == 0
        assert run.summary["test"] == json.loads(path.read_text())["test"]
        assert run.config["seed"] == number % 2
