"""What dashboards get: read back from W&B's offline files and TensorBoard's events."""

import json
import logging
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import wandb
from lightning.pytorch.loggers import CSVLogger
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from wandb.proto import wandb_internal_pb2

from pcam.config import registry
from pcam.config.base import Section
from pcam.config.registry import register_logger
from pcam.config.schema import TrainConfig
from pcam.config.sections import LoggerConfig
from pcam.errors import ConfigError, PcamError
from pcam.runs.files import write_json
from pcam.runs.folder import network_label, read_config
from pcam.training.loggers import finish_loggers, start_loggers
from pcam.training.names import run_group, run_name
from tests.conftest import SMALL, TINY
from tests.registries import restored
from tests.run import composed, killed_after, run_command, train

LONG = [*TINY, *SMALL, "trainer.max_epochs=2", "logger=wandb", "logger.table=5"]
SHORT = [*LONG, "trainer.max_epochs=1"]


BLOCK, HEAD, FIRST, LAST = 32768, 7, (1, 2), (1, 4)


def read_records(path: Path) -> Iterator[bytes]:
    """Read W&B's file, which is a LevelDB log.

    It has blocks of records, each with checksum, length and whether it starts or ends there.
    """
    data, place, parts = path.read_bytes(), HEAD, b""
    while place + HEAD <= len(data):
        if BLOCK - place % BLOCK < HEAD:
            place += BLOCK - place % BLOCK
        _, length, kind = struct.unpack("<IHB", data[place : place + HEAD])
        part = data[place + HEAD : place + HEAD + length]
        parts = part if kind in FIRST else parts + part
        place += HEAD + length
        if kind in LAST:
            yield parts


@dataclass
class OfflineRun:
    """What W&B keeps of an offline run."""

    name: str = ""
    group: str = ""
    id: str = ""
    tags: list[str] = field(default_factory=list)
    exit: int | None = None
    summary: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    logged: set[str] = field(default_factory=set)
    artifacts: dict[str, list[Any]] = field(default_factory=dict)

    def add(self, record: Any) -> None:
        kind = record.WhichOneof("record_type")
        if kind == "run":
            self.name, self.group = record.run.display_name, record.run.run_group
            self.id, self.tags = record.run.run_id, list(record.run.tags)
            self._add_config(record.run.config)
        elif kind == "config":
            self._add_config(record.config)
        elif kind == "exit":
            self.exit = record.exit.exit_code
        elif kind == "history":
            self.logged |= {one.key or one.nested_key[0] for one in record.history.item}
        elif kind == "summary":
            for one in record.summary.update:
                self._add_summary(list(one.nested_key) or [one.key], json.loads(one.value_json))
        elif kind == "artifact":
            self.artifacts[record.artifact.name] = list(record.artifact.manifest.contents)

    def _add_config(self, config: Any) -> None:
        for one in config.update:
            self.config[one.key] = json.loads(one.value_json)

    def _add_summary(self, keys: list[str], value: object) -> None:
        place = self.summary
        for key in keys[:-1]:
            place = place.setdefault(key, {})
        place[keys[-1]] = value


def read_offline(folder: Path) -> list[OfflineRun]:
    """Return the offline runs below a folder."""
    wandb.teardown()  # writes everything
    runs = []
    for path in sorted(folder.rglob("run-*.wandb")):
        run = OfflineRun()
        for data in read_records(path):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            run.add(record)
        runs.append(run)
    return runs


@pytest.fixture(autouse=True)
def restart_wandb() -> Iterator[None]:
    """W&B reads its environment once a process."""
    wandb.teardown()
    yield
    wandb.teardown()


def test_a_run_s_metrics_figures_and_patches(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    train(folder, *SHORT, "logger.artifact=true", "logger.tags=[first]")
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


def write_sweep(folder: Path, **content: object) -> Path:
    """Write the record of a sweep; return the folder of its job 1."""
    write_json(folder / "sweep.json", {"words": [], "command": "train", **content})
    (folder / "1").mkdir()
    return folder / "1"


def test_names_of_a_sweep_s_runs(tmp_path: Path) -> None:
    jobs = [["model=vgg16", "seed=0"], ["model=vgg16", "seed=1"]]
    words = ["experiment=table1", "model=vgg16", "seed=0,1"]
    job = write_sweep(tmp_path / "multirun" / "day" / "time", jobs=jobs, words=words)
    assert run_name(composed(), job) == "seed=1"
    assert run_group(job) == "table1 day/time"


def test_names_of_a_search_s_runs(tmp_path: Path) -> None:
    job = write_sweep(tmp_path / "search", jobs=None, varied=["optimizer.lr", "aug"])
    name = run_name(composed("optimizer.lr=0.01", "aug=paper"), job)
    assert name == "trial 1: optimizer.lr=0.01 aug=paper"
    assert run_group(job) == "search"


def test_a_run_that_is_not_part_of_a_sweep_has_no_group(tmp_path: Path) -> None:
    assert run_group(tmp_path) is None
    assert run_name(composed(), tmp_path / "tried") == "resnet10t tried"


def start_offline(folder: Path, caplog: pytest.LogCaptureFixture) -> str:
    """Start W&B's dashboard and close it; return the line about being offline."""
    caplog.set_level(logging.INFO, logger="pcam")
    finish_loggers(start_loggers(composed(*SHORT), folder), 0)
    (line,) = [one for one in caplog.messages if one.startswith("W&B: offline")]
    return line


@pytest.mark.parametrize("key", ["", "a" * 40])
def test_without_a_key_or_a_server_a_run_is_kept_offline(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # nothing answers there
    monkeypatch.setenv("WANDB_API_KEY", key)
    monkeypatch.setenv("HOME", str(tmp_path))
    line = start_offline(tmp_path / "run", caplog)
    assert ("127.0.0.1 cannot be reached" if key else "no key") in line
    folder = line.rpartition("wandb sync ")[2]
    assert list(Path(folder).glob("*.wandb"))
    assert read_offline(tmp_path / "run")[0].exit == 0


def test_a_server_that_answers_nonsense_does_not_stop_a_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Page(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(401)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    try:
        assert "W&B: offline (" in start_offline(tmp_path / "run", caplog)
    finally:
        server.shutdown()
    assert [run.exit for run in read_offline(tmp_path / "run")] == [0]


def test_tensorboard_gets_metrics_figures_and_a_curve(tmp_path: Path) -> None:
    words = [*TINY, *SMALL, "trainer.max_epochs=1", "logger=tensorboard"]
    summary = train(tmp_path, *words)
    sizes = {"images": 0, "tensors": 0}
    events = EventAccumulator(str(tmp_path / "tensorboard"), size_guidance=sizes)
    events.Reload()
    tags = events.Tags()
    assert {"curves", "evaluation"} <= set(tags["images"])
    assert "test" in tags["tensors"]  # its precision-recall curve
    value = events.Scalars("test/auroc")[-1].value
    assert value == pytest.approx(summary["test"]["auroc"]["value"], abs=1e-6)


def test_a_user_s_logger_gets_the_final_metrics(tmp_path: Path) -> None:
    with restored(registry.loggers):

        @register_logger("csv_file")
        def csv_file(settings: Section, config: TrainConfig, folder: Path) -> CSVLogger:
            return CSVLogger(folder, name="", version="csv")

        words = [*TINY, *SMALL, "trainer.max_epochs=1", "logger.names=[csv_file]"]
        summary = train(tmp_path, *words)
    text = (tmp_path / "csv" / "metrics.csv").read_text()
    assert "test/auroc" in text
    assert str(summary["test"]["auroc"]["value"]) in text


def test_missing_and_wrong_settings_of_a_logger_are_named(tmp_path: Path) -> None:
    config = composed()
    logger = LoggerConfig(names=["wandb"], project="pcam", table=-1)
    config = config.model_copy(update={"logger": logger})
    with pytest.raises(ConfigError) as caught:
        start_loggers(config, tmp_path)
    assert "logger.table=-1 must be at least 0" in str(caught.value)
    assert "missing key logger.entity" in str(caught.value)
