"""A disk that is full, at each kind of write of a training: one line, and nothing is lost."""

import errno
import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from lightning.pytorch.loggers import CSVLogger

from pcam.config.registry import loggers as logger_registry
from pcam.config.registry import register_logger
from pcam.config.schema import TrainConfig
from pcam.config.settings import NoSettings
from pcam.errors import WriteError
from pcam.runs.files import read_json
from pcam.training.room import FILES, checkpoint_size
from pcam.training.splitting import BatchSplit
from tests.forked import forked
from tests.registries import restored
from tests.run import composed, train
from tests.training.runs import STUDY, read_checkpoint
from tests.training.test_step_checkpoints import assert_equal_runs

WORDS = [*STUDY, "trainer.max_epochs=2", "splits=random"]


def fill_disk(monkeypatch: pytest.MonkeyPatch, name: str, after: int = 0, code: int = 0) -> None:
    """Let the disk be full when a file is written.

    Args:
        monkeypatch: pytest's.
        name: of the file.
        after: how often it can be written before.
        code: of the error; 0 for a full disk.
    """
    fsync = os.fsync
    left = [after]

    def limited(descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if Path(path).name.startswith(f".{name}."):
            left[0] -= 1
            if left[0] < 0:
                number = code or errno.ENOSPC
                raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", limited)


def failure(folder: Path, words: list[str], name: str, after: int = 0, code: int = 0) -> str:
    """Return the line of a training whose disk is full; the other arguments are `fill_disk`'s."""
    with pytest.MonkeyPatch.context() as patch:
        fill_disk(patch, name, after, code)
        with pytest.raises(WriteError) as caught:
            train(folder, *words)
    assert not leftovers(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def leftovers(folder: Path) -> list[Path]:
    return list(folder.rglob("*.part"))


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    train(folder, *WORDS)
    return folder


KEPT = [
    ("metrics.csv", 1, "epoch 1"),
    ("last.ckpt", 1, "epoch 1"),
    pytest.param("valid.csv", 0, "epoch 2", marks=pytest.mark.slow),
    pytest.param("test.csv", 0, "epoch 2", marks=pytest.mark.slow),
    ("summary.json", 0, "epoch 2"),
]


@pytest.mark.parametrize(("name", "after", "epoch"), KEPT)
def test_a_full_disk_is_one_line_and_the_run_can_be_resumed(
    name: str, after: int, epoch: str, whole_run: Path, tmp_path: Path
) -> None:
    line = failure(tmp_path, WORDS, name, after)
    assert f"{name} cannot be written: no space left on device; " in line
    assert f"last.ckpt of {epoch} is kept: python -m pcam.train resume=" in line
    train(tmp_path, *WORDS, resume=True)
    assert_equal_runs(tmp_path, whole_run)


@pytest.mark.slow
def test_a_checkpoint_inside_of_an_epoch(whole_run: Path, tmp_path: Path) -> None:
    words = [*WORDS, "trainer.checkpoint_steps=1"]
    line = failure(tmp_path, words, "last.ckpt", after=3)
    assert "last.ckpt of batch 3 of epoch 1 is kept" in line
    train(tmp_path, *words, resume=True)
    assert_equal_runs(tmp_path, whole_run)


FIRST = [
    pytest.param(name, marks=[pytest.mark.slow] * (name in ("metrics.csv", "last.ckpt")))
    for name in ("config.yaml", "splits.csv", "metrics.csv", "best.ckpt", "last.ckpt")
]


@pytest.mark.parametrize("name", FIRST)
def test_before_the_first_checkpoint(name: str, tmp_path: Path) -> None:
    line = failure(tmp_path, WORDS, name)
    assert f"{name} cannot be written: no space left on device; " in line
    assert "hydra.run.dir" in line


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        pytest.param(errno.EDQUOT, "disk quota exceeded", marks=pytest.mark.slow),
        (errno.EROFS, "read-only file system"),
        pytest.param(errno.EIO, "input/output error", marks=pytest.mark.slow),
    ],
)
def test_the_reason_is_the_systems(code: int, reason: str, tmp_path: Path) -> None:
    words = [*WORDS, "trainer.max_epochs=1"]
    assert reason in failure(tmp_path, words, "last.ckpt", code=code)


@pytest.mark.slow
def test_a_figure_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("curves.png", "epoch-001.png"):
        fill_disk(monkeypatch, name)
    with caplog.at_level(logging.WARNING, "pcam"):
        train(tmp_path, *WORDS, "trainer.max_epochs=1", "attribution.every=1")
    for name in ("curves.png", "epoch-001.png"):
        assert f"{name} cannot be written: no space left on device; going on" in caplog.text
    assert read_json(tmp_path / "summary.json") is not None


class FullLogger(CSVLogger):
    """Writes metrics until the disk is full."""

    calls = 0

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.calls += 1
        if self.calls > 1:
            raise OSError(errno.ENOSPC, "No space left on device")


def test_a_logger_that_fails_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    loggers: list[FullLogger] = []

    def build(settings: NoSettings, config: TrainConfig, folder: Path) -> FullLogger:
        loggers.append(FullLogger(folder))
        return loggers[-1]

    with restored(logger_registry), caplog.at_level(logging.WARNING, "pcam"):
        register_logger("full")(build)
        train(tmp_path, *WORDS, "trainer.max_epochs=1", "logger.names=[full]")
    lines = [line for line in caplog.messages if "FullLogger" in line]
    assert lines == [
        "FullLogger has failed, and the training goes on without it: [Errno 28] No space left on "
        "device"
    ]
    assert loggers[0].calls == 2
    assert read_json(tmp_path / "summary.json") is not None


def test_a_logger_that_cannot_start_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def build(settings: NoSettings, config: TrainConfig, folder: Path) -> FullLogger:
        raise OSError(errno.EROFS, "Read-only file system")

    with restored(logger_registry), caplog.at_level(logging.WARNING, "pcam"):
        register_logger("full")(build)
        train(tmp_path, *WORDS, "trainer.max_epochs=1", "logger.names=[full]")
    assert "logger=full has failed, and the training goes on without it" in caplog.text


def test_room_for_the_checkpoints_is_looked_at_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 5_000_000}))
    with pytest.raises(WriteError) as caught:
        train(tmp_path, *WORDS)
    line = str(caught.value)
    assert line.startswith(f"{tmp_path}: 5.0 MB are free, and its checkpoints need ")
    assert line.endswith("; make room, or set another hydra.run.dir")
    assert not (tmp_path / "checkpoints").exists()


CHOICES = ["optimizer=adam", "trainer.ema=0.9", "finetune=frozen", "optimizer=sgd"]


@pytest.mark.slow
@pytest.mark.parametrize("word", CHOICES)
def test_the_size_of_a_checkpoint_is_known(word: str, tmp_path: Path) -> None:
    from pcam.training.preparation import build_classifier

    config = composed(*WORDS, word, "trainer.max_epochs=1")
    train(tmp_path, *WORDS, word, "trainer.max_epochs=1")
    size = (tmp_path / "checkpoints" / "last.ckpt").stat().st_size
    expected = checkpoint_size(config, build_classifier(config))
    assert 0.8 * size < expected <= size
    files = list((tmp_path / "checkpoints").iterdir())
    assert len(files) < FILES
    assert BatchSplit.read(read_checkpoint(tmp_path)).parts == 1


PLUGIN = """
import os
from pathlib import Path

from lightning import Callback

from pcam.config.base import Section
from pcam.config.registry import register_callback


class FillConfig(Section):
    leave: int


class Fill(Callback):
    def __init__(self, leave):
        self.leave = leave

    def on_train_epoch_start(self, trainer, pl_module):
        disk = os.environ.get("FULL_DISK")
        if disk and trainer.current_epoch == 1:
            state = os.statvfs(disk)
            size = state.f_bavail * state.f_frsize - self.leave
            with open(Path(disk, "filler"), "wb") as file:
                os.posix_fallocate(file.fileno(), 0, size)


@register_callback("fill", config=FillConfig)
def fill(settings, config, folder):
    return Fill(settings.leave)
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return the folder of a file system of 40 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", disk], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("file systems cannot be mounted here")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("mount") is None, reason="mount is not installed")
@pytest.mark.parametrize(("leave", "name"), [(0, "metrics.csv"), (2_000_000, "last.ckpt")])
def test_a_disk_that_fills_up(leave: int, name: str, tmp_path: Path, small_disk: Path) -> None:
    (tmp_path / "filling.py").write_text(PLUGIN)
    path = f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    run = small_disk / "run"
    words = [*WORDS, "plugins=[filling]", f"+callbacks.fill.leave={leave}", f"hydra.run.dir={run}"]
    ended = forked("pcam.train", *words, cwd=tmp_path, PYTHONPATH=path, FULL_DISK=str(small_disk))
    (line,) = ended.stderr.splitlines()
    assert ended.returncode == 2
    assert line.startswith(f"error: {run}/")
    assert f"{name} cannot be written: no space left on device" in line
    assert "last.ckpt of epoch 1 is kept" in line
    assert not leftovers(run)
    (small_disk / "filler").unlink()
    resumed = forked(
        "pcam.train", f"resume={run}", "plugins=[filling]", cwd=tmp_path, PYTHONPATH=path
    )
    assert resumed.returncode == 0, resumed.stderr
    assert len((run / "metrics.csv").read_text().splitlines()) == 3


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("mount") is None, reason="mount is not installed")
def test_a_command_whose_disk_is_full(whole_run: Path, tmp_path: Path, small_disk: Path) -> None:
    state = os.statvfs(small_disk)
    with (small_disk / "filler").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, state.f_bavail * state.f_frsize)
    out = small_disk / "out"
    ended = forked("pcam.evaluate", f"run={whole_run}", f"hydra.run.dir={out}", cwd=tmp_path)
    (line,) = ended.stderr.splitlines()
    assert ended.returncode == 2
    assert "test.csv cannot be written: no space left on device; make room" in line
    assert [path.name for path in small_disk.rglob("*") if path.is_file()] == ["filler"]
