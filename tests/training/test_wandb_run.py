"""Runs of W&B without a server."""

import logging
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from pcam.training.loggers import finish_loggers, start_loggers
from tests.conftest import SMALL, TINY
from tests.run import composed
from tests.training.offline import read_offline

WANDB = [*TINY, *SMALL, "logger=wandb"]
pytestmark = pytest.mark.usefixtures("restart_wandb")


def start_offline(folder: Path, caplog: pytest.LogCaptureFixture) -> str:
    """Start W&B's dashboard and close it; return the line about being offline."""
    caplog.set_level(logging.INFO, logger="pcam")
    finish_loggers(start_loggers(composed(*WANDB), folder), 0)
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
