"""What a dashboard is told: read back from W&B's offline files and TensorBoard's events."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import wandb
from PIL import Image
from wandb.proto import wandb_internal_pb2

from pcam.errors import PcamError
from pcam.runs.folder import network_label, read_config
from tests.conftest import SMALL, TINY
from tests.run import killed_after, run_command, train

LONG = [*TINY, *SMALL, "trainer.max_epochs=2", "logger=wandb", "logger.table=5"]


BLOCK, HEAD, FIRST, LAST = 32768, 7, (1, 2), (1, 4)


def records(path: Path) -> Iterator[bytes]:
    """Read W&B's file: blocks of records, each with checksum, length and whether it begins and ends there (LevelDB's log)."""
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


def offline(folder: Path) -> list[dict[str, Any]]:
    """Return what W&B keeps of each offline run below a folder: its name, exit code, summary, artifacts and so on."""
    wandb.teardown()  # all is written
    found = []
    for path in sorted(folder.rglob("run-*.wandb")):
        told: dict[str, Any] = {
            "summary": {},
            "config": {},
            "logged": set(),
            "artifacts": {},
            "exit": None,
        }
        for data in records(path):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            kind = record.WhichOneof("record_type")
            if kind == "run":
                told |= {
                    "name": record.run.display_name,
                    "group": record.run.run_group,
                    "id": record.run.run_id,
                }
                told["tags"] = list(record.run.tags)
                told["config"] |= {
                    one.key: json.loads(one.value_json) for one in record.run.config.update
                }
            elif kind == "config":
                told["config"] |= {
                    one.key: json.loads(one.value_json) for one in record.config.update
                }
            elif kind == "exit":
                told["exit"] = record.exit.exit_code
            elif kind == "history":
                told["logged"] |= {one.key or one.nested_key[0] for one in record.history.item}
            elif kind == "summary":
                for one in record.summary.update:
                    place = told["summary"]
                    *above, last = one.nested_key or [one.key]
                    for key in above:
                        place = place.setdefault(key, {})
                    place[last] = json.loads(one.value_json)
            elif kind == "artifact":
                told["artifacts"][record.artifact.name] = list(record.artifact.manifest.contents)
        found.append(told)
    return found


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    """W&B reads its environment once a process."""
    wandb.teardown()
    yield
    wandb.teardown()


def test_a_run_s_figures_pictures_and_patches(tmp_path: Path) -> None:
    summary = train(tmp_path / "run", *LONG, "logger.artifact=true", "logger.tags=[first]")
    (told,) = offline(tmp_path / "run")
    assert told["exit"] == 0
    assert told["name"] == f"{network_label(read_config(tmp_path / 'run'))} run"
    assert told["tags"] == ["first"]
    assert told["config"]["optimizer"]["lr"] == read_config(tmp_path / "run")["optimizer"]["lr"]
    written = json.loads((tmp_path / "run" / "summary.json").read_text())
    for key, value in written.items():
        assert told["summary"][key] == value, key
    assert summary["test"]["auroc"]["value"] == told["summary"]["test"]["auroc"]["value"]
    assert {
        "train/loss_epoch",
        "valid/auroc",
        "roc_table",
        "precision_recall_table",
        "predictions",
    } <= told["logged"]
    assert {"evaluation", "curves"} <= told["logged"]
    media = tmp_path / "run" / "wandb"
    (table,) = media.rglob("media/table/predictions*.json")
    rows = json.loads(table.read_text())
    assert len(rows["data"]) == 5
    assert rows["columns"] == ["id", "slide", "patch", "label", "probability", "called", "right"]
    assert [entry.path for entry in told["artifacts"][f"model-{told['id']}"]] == [
        "best.ckpt",
        "config.yaml",
    ]
    pictures = [
        one.local_path
        for one in told["artifacts"][f"run-{told['id']}-predictions"]
        if one.path.endswith(".png")
    ]
    assert [Image.open(path).size for path in pictures] == [(96, 96)] * 5


def test_a_run_that_failed_says_so_and_one_that_goes_on_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_after(monkeypatch, 1, tmp_path / "run", *LONG)
    train(tmp_path / "run", *LONG, resume=True)
    first, second = offline(tmp_path / "run")
    assert first["exit"] == 1
    assert second["exit"] == 0
    assert first["id"] == second["id"]
    with pytest.raises(PcamError):
        train(tmp_path / "bad", *LONG, "optimizer.lr=1e30", "optimizer.head_lr=1e30")
    assert offline(tmp_path / "bad")[0]["exit"] == 1


def test_jobs_of_a_sweep_are_named_by_what_varies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [
        *LONG,
        "trainer.max_epochs=1",
        "aug=none,dihedral",
        "seed=0,1",
        "hydra.sweep.dir=multirun/tried",
    ]
    run_command(monkeypatch, tmp_path, "train", "-m", *words)
    told = offline(tmp_path)
    assert [one["name"] for one in told] == [
        "aug=none seed=0",
        "aug=none seed=1",
        "aug=dihedral seed=0",
        "aug=dihedral seed=1",
    ]
    assert {one["group"] for one in told} == {"tried"}
    assert len({one["id"] for one in told}) == 4
    assert [one["exit"] for one in told] == [0] * 4
    for number, one in enumerate(told):
        written = json.loads(
            (tmp_path / "multirun" / "tried" / str(number) / "summary.json").read_text()
        )
        assert one["summary"]["test"] == written["test"]
        assert one["config"]["seed"] == number % 2


@pytest.mark.parametrize("key", ["", "a" * 40])
def test_without_a_key_or_a_server_a_run_is_kept_offline_at_once(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # nothing answers there
    monkeypatch.setenv("WANDB_API_KEY", key)
    monkeypatch.setenv("HOME", str(tmp_path))
    train(tmp_path / "run", *LONG)
    said = [
        line for line in capsys.readouterr().out.splitlines() if line.startswith("W&B: offline")
    ]
    assert len(said) == 1
    assert ("127.0.0.1 cannot be reached" if key else "no key") in said[0]
    folder = said[0].rpartition("wandb sync ")[2]
    assert list(Path(folder).glob("*.wandb"))
    assert offline(tmp_path / "run")[0]["exit"] == 0


def test_a_server_that_answers_nonsense_does_not_stop_a_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

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
        train(tmp_path / "run", *LONG)
    finally:
        server.shutdown()
    assert "W&B: offline (" in capsys.readouterr().out
    assert [one["exit"] for one in offline(tmp_path / "run")] == [0]


def test_tensorboard_gets_what_it_can_show(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    summary = train(tmp_path / "run", *TINY, *SMALL, "trainer.max_epochs=1", "logger=tensorboard")
    events = EventAccumulator(
        str(tmp_path / "run" / "tensorboard"), size_guidance={"images": 0, "tensors": 0}
    )
    events.Reload()
    tags = events.Tags()
    assert {"curves", "evaluation"} <= set(tags["images"])
    assert "test" in tags["tensors"]  # its precision-recall curve
    assert events.Scalars("test/auroc")[-1].value == pytest.approx(
        summary["test"]["auroc"]["value"], abs=1e-6
    )
