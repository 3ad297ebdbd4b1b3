"""One training per run folder at a time."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from pcam.errors import RunError


@contextlib.contextmanager
def lock_run(folder: Path) -> Iterator[None]:
    """Keep other processes from training into a folder; the hold ends with the process, however that ends.

    Raises:
        RunError: another process has it.
    """
    from filelock import FileLock, Timeout

    path = folder / ".held"
    try:
        with FileLock(path, timeout=0):
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
    except Timeout as error:
        message = f"{folder} is being trained by another process; wait for it, or set another hydra.run.dir"
        raise RunError(message) from error


def is_locked(folder: Path) -> bool:
    """Tell whether a process trains into a folder now."""
    from filelock import FileLock, Timeout

    path = folder / ".held"
    if not path.is_file():
        return False
    try:
        with FileLock(path, timeout=0):
            return False  # left by one that was killed
    except Timeout:
        return True
    except OSError:  # of a folder that may only be read
        return False
