"""One training per run folder at a time."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from pcam.errors import RunError

LOCK_NAME = ".lock"


@contextlib.contextmanager
def lock_run(folder: Path) -> Iterator[None]:
    """Keep other processes from training into a folder.

    The lock ends with the process, even if that is killed.

    Raises:
        RunError: another process has the lock.
    """
    from filelock import FileLock, Timeout

    path = folder / LOCK_NAME
    try:
        with FileLock(path, timeout=0):
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
    except Timeout as error:
        raise RunError(
            f"another process is training into {folder}; wait for it, or set another hydra.run.dir"
        ) from error


def is_locked(folder: Path) -> bool:
    """Return whether a process is training into a folder."""
    from filelock import FileLock, Timeout

    path = folder / LOCK_NAME
    if not path.is_file():
        return False
    try:
        with FileLock(path, timeout=0):
            return False  # a killed process left the file
    except Timeout:
        return True
    except OSError:  # the folder is read-only
        return False
