"""Files that cannot be read now, though nothing may be wrong with their content."""

import errno
import fcntl
import os
import pwd
import stat
from pathlib import Path

from pcam.errors import AccessError

BUSY = (errno.EAGAIN, errno.EBUSY, errno.ETXTBSY)
DENIED = (errno.EACCES, errno.EPERM)
OF_CONTENT = (errno.EINVAL, errno.ERANGE, errno.EILSEQ)  # how libraries answer damaged files


def ensure_readable(path: Path) -> None:
    """Make sure that a file can be read and that no other program is writing it.

    What a reader reports afterwards is due to the file's content. No lock is kept.

    Raises:
        AccessError: the file cannot be read now.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise access_error(path, error) or error from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise AccessError(f"{path} is not a regular file")
        if _is_written(descriptor):
            raise AccessError(
                f"{path} is open in another program, which may be writing it; close it there"
            )
    finally:
        os.close(descriptor)


def ensure_regular(path: Path) -> None:
    """Make sure that a path is not a pipe, a socket or a device: to open one may wait forever.

    Raises:
        AccessError: it is one, or a folder, or it does not exist.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise access_error(path, error) or error from error
    if not stat.S_ISREG(mode):
        raise AccessError(f"{path} is not a regular file")


def refuse_link(path: Path) -> None:
    """Make sure that a file that will be written is not a link to another.

    Raises:
        AccessError: it is.
    """
    if path.is_symlink():
        raise AccessError(f"{path} is a link, and nothing is written through one; remove it")


def ensure_inside(path: Path, folder: Path) -> None:
    """Make sure that a file of a folder, which may be somebody else's, does not lead out of it.

    Raises:
        AccessError: it is, or is in, a link to another place.
    """
    inside = os.path.join(os.path.realpath(folder), path.relative_to(folder))
    if os.path.realpath(path) != inside or path.is_symlink():
        raise AccessError(f"{path} is a link, and is not read; put the file itself in its place")


def access_error(path: Path, error: BaseException) -> AccessError | None:
    """Return the failure to read a file; None if an error is due to the file's content.

    Args:
        path: of the file.
        error: of the system, or of a library, which has no ``errno`` of its own.
    """
    if not isinstance(error, OSError) or not error.errno or error.errno in OF_CONTENT:
        return None
    return AccessError(f"{path} cannot be read: {describe_os_error(error, path)}")


def describe_os_error(error: OSError, path: Path) -> str:
    """Return why the system refuses access to a file.

    Args:
        error: of the system.
        path: of the file, or of its folder.
    """
    if error.errno in BUSY:
        return "it is open in another program"
    reason = os.strerror(error.errno or 0).lower()
    if error.errno in DENIED:
        return f"{reason}{_owner(path)}"
    return reason


def _owner(path: Path) -> str:
    """Return who can give access to a file, in brackets; nothing if that is not known."""
    try:
        status = path.stat()
        name = pwd.getpwuid(status.st_uid).pw_name
    except (OSError, KeyError):
        return ""
    return f" (owner {name}, mode {stat.S_IMODE(status.st_mode):03o})"


def _is_written(descriptor: int) -> bool:
    """Return whether a program has locked an open file for writing, as HDF5 does."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False
