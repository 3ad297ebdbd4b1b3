"""A folder that another process has locked."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HOLD = """
import os, sys
from pathlib import Path
from pcam.runs.lock import lock_folder
with lock_folder(Path(sys.argv[1])):
    os.write(1, b"1\\n")
    os.read(0, 1)
"""


@contextmanager
def locked_elsewhere(folder: Path, code: str = HOLD) -> Iterator[subprocess.Popen[bytes]]:
    """Lock a folder in another process."""
    other = subprocess.Popen(
        [sys.executable, "-c", code, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    assert other.stdout.readline() == b"1\n"
    try:
        yield other
    finally:
        other.kill()
        other.wait()
