"""One process at a time writes into an output folder."""

import contextlib
import errno
import fcntl
import logging
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path

from pcam.errors import RunError, describe_error

LOCK_NAME = ".lock"
OTHERS = ("wandb",)  # folders of programs that have links of their own
PATIENCE = 1.0  # seconds; `is_locked` of another process holds the lock for a moment
PAUSE = 0.02  # seconds between two attempts
WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # of some network file systems

log = logging.getLogger(__name__)

_locks: set[int] = set()  # this process's file descriptors


class FolderInUse(RunError):
    """Another process writes into the folder, so nothing in it may be changed."""


@contextlib.contextmanager
def lock_folder(folder: Path, key: str = "hydra.run.dir", wait: bool = False) -> Iterator[None]:
    """Keep other processes from writing into a folder.

    The lock ends with the process, even if that is killed. Processes that this one forks do not
    keep it.

    Args:
        folder: for results; created if it is missing.
        key: the key that sets the folder, for messages.
        wait: whether to wait for as long as another process has the lock.

    Raises:
        FolderInUse: another process has the lock.
        RunError: the folder cannot be written.
    """
    path = folder / LOCK_NAME
    descriptor = _acquire(path, key, PATIENCE)
    if descriptor is None and wait:
        log.info(f"waiting for another process, which is writing into {folder}")
        descriptor = _acquire(path, key, math.inf)
    if descriptor is None:
        raise FolderInUse(
            f"another process is writing into {folder}; wait for it, or set another {key}"
        )
    _locks.add(descriptor)
    try:
        yield
    finally:
        if descriptor in _locks:  # not in a forked process
            _release(descriptor, path)


@contextlib.contextmanager
def lock_results(folder: Path, key: str = "hydra.run.dir") -> Iterator[None]:
    """Lock a folder of results, in which nothing is written through a link.

    Raises:
        FolderInUse: another process has the lock.
        RunError: the folder cannot be written, or holds a link.
    """
    with lock_folder(folder, key):
        _refuse_links(folder, key)
        yield


def _refuse_links(folder: Path, key: str) -> None:
    """Make sure that a folder, which may be somebody else's, does not lead out of itself."""
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            if path.is_symlink():
                raise RunError(
                    f"{path} is a link, and results are not written through one; "
                    f"remove it, or set another {key}"
                )
        folders[:] = [name for name in folders if name not in OTHERS]


def is_locked(folder: Path) -> bool:
    """Return whether a process writes into a folder, which may be read-only."""
    try:
        descriptor = os.open(folder / LOCK_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(descriptor)
    return False  # a killed process left the file


def _acquire(path: Path, key: str, seconds: float) -> int | None:
    """Return the descriptor of a file after locking it; None if that takes too long."""
    end = time.monotonic() + seconds
    while time.monotonic() <= end:
        try:
            descriptor = _try_lock(path)
        except OSError as error:
            reason = describe_error(error)
            raise RunError(f"cannot write to {path.parent} ({reason}); set {key}") from error
        if descriptor is not None:
            return descriptor
        time.sleep(PAUSE)
    return None


def _try_lock(path: Path) -> int | None:
    """Return the descriptor of a file after locking it; None if another process has the lock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except FileNotFoundError:  # the folder was empty, and another process has removed it
        return None
    try:
        locked = _flock(descriptor, path)
    except OSError:
        os.close(descriptor)
        raise
    # A file that another process has removed since it was opened keeps nobody out.
    if locked and os.fstat(descriptor).st_nlink > 0:
        return descriptor
    os.close(descriptor)
    return None


def _release(descriptor: int, path: Path) -> None:
    path.unlink(missing_ok=True)  # while it is locked: later it could be another process's
    os.close(descriptor)
    _locks.discard(descriptor)


def _flock(descriptor: int, path: Path) -> bool:
    """Lock an open file; return whether it could be locked."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise
        log.warning(
            f"the file system of {path.parent} has no locks: "
            "start no second process that writes into this folder"
        )
    return True


def _close_in_child() -> None:
    """Close the locks of the process that this one was forked from, which keeps them."""
    for descriptor in _locks:
        os.close(descriptor)
    _locks.clear()


os.register_at_fork(after_in_child=_close_in_child)
