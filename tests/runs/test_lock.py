import subprocess
import sys
from pathlib import Path

import pytest

from pcam.errors import RunError
from pcam.runs.lock import LOCK_NAME, is_locked, lock_run


def test_one_process_at_a_time_trains_into_a_folder(tmp_path: Path) -> None:
    imports = "import sys; from pathlib import Path; from pcam.runs.lock import lock_run"
    wait = f"{imports}\nwith lock_run(Path(sys.argv[1])): print(1, flush=True); input()"
    other = subprocess.Popen(
        [sys.executable, "-c", wait, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    assert other.stdout.readline() == b"1\n"
    with pytest.raises(RunError, match="another process is training into"), lock_run(tmp_path):
        pass
    assert is_locked(tmp_path)
    other.kill()  # the lock ends with the process
    other.wait()
    with lock_run(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_locked_as_long_as_its_process_trains(tmp_path: Path) -> None:
    assert not is_locked(tmp_path)
    with lock_run(tmp_path):
        assert is_locked(tmp_path)
    (tmp_path / LOCK_NAME).touch()  # left by a killed process
    assert not is_locked(tmp_path)
