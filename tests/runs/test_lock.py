import fcntl
import os
from pathlib import Path

import pytest

from pcam.errors import RunError
from pcam.runs import lock
from pcam.runs.lock import LOCK_NAME, FolderInUse, is_locked, lock_folder
from tests.runs.locks import HOLD, locked_elsewhere


def test_one_process_at_a_time_writes_into_a_folder(tmp_path: Path) -> None:
    message = "another process is writing into .*; wait for it, or set another hydra.run.dir"
    with locked_elsewhere(tmp_path) as other:
        with pytest.raises(FolderInUse, match=message), lock_folder(tmp_path):
            pass
        assert is_locked(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == [LOCK_NAME]
        other.kill()  # the lock ends with the process
        other.wait()
        with lock_folder(tmp_path):
            pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_locked_as_long_as_its_process_writes(tmp_path: Path) -> None:
    assert not is_locked(tmp_path)
    with lock_folder(tmp_path):
        assert is_locked(tmp_path)
    (tmp_path / LOCK_NAME).touch()  # left by a killed process
    assert not is_locked(tmp_path)


def test_a_folder_that_a_reader_looks_at_can_be_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`is_locked` of another process holds the lock for a moment."""
    (tmp_path / LOCK_NAME).touch()
    reader = os.open(tmp_path / LOCK_NAME, os.O_RDONLY)
    fcntl.flock(reader, fcntl.LOCK_SH)
    monkeypatch.setattr(lock.time, "sleep", lambda _: fcntl.flock(reader, fcntl.LOCK_UN))
    with lock_folder(tmp_path):
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)
    os.close(reader)


def test_a_lock_that_was_removed_keeps_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process opens the lock; its owner removes it before the process locks it."""
    flock = lock._flock
    paths: list[Path] = []

    def late(descriptor: int, path: Path) -> bool:
        if not paths:
            path.unlink()
        paths.append(path)
        return flock(descriptor, path)

    monkeypatch.setattr(lock, "_flock", late)
    with lock_folder(tmp_path):
        assert len(paths) == 2
        assert (tmp_path / LOCK_NAME).is_file()


def test_a_forked_process_does_not_keep_the_lock(tmp_path: Path) -> None:
    """Workers that load data live on for seconds after their parent was killed."""
    fork = HOLD.replace("    os.write", "    os.fork()\n    os.write")
    with locked_elsewhere(tmp_path, fork) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == b"1\n"  # of the second process
        assert is_locked(tmp_path)
        other.kill()
        other.wait()
        assert not is_locked(tmp_path)
        other.stdin.close()  # the forked process ends


def test_trap_a_file_system_without_locks_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing(descriptor: int, operation: int) -> None:
        raise OSError(lock.errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock.fcntl, "flock", missing)
    with lock_folder(tmp_path):
        assert not is_locked(tmp_path)
    (line,) = caplog.messages
    assert line.startswith(f"the file system of {tmp_path} has no locks: start no second process")
    assert list(tmp_path.iterdir()) == []


def test_a_lock_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / LOCK_NAME).symlink_to(tmp_path / "victim")
    message = "cannot write to .*; set hydra.run.dir"
    with pytest.raises(RunError, match=message), lock_folder(tmp_path / "run"):
        pass
    assert not (tmp_path / "victim").exists()
