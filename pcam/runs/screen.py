"""Standard output and error that may close or fill up: the work goes on without them."""

import errno
import io
import os
import sys

# The reader has ended (| head), the disk is full, the terminal is gone, or it was closed (>&-).
GONE = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF)


class _Screen(io.FileIO):
    """A file that takes everything, also where the system does not."""

    def write(self, data: object, /) -> int:
        """Write some bytes; from the first failure on they go nowhere."""
        try:
            return super().write(data)  # type: ignore[arg-type]
        except OSError as error:
            if error.errno not in GONE:
                raise
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return super().write(data)  # type: ignore[arg-type]


def keep_going_without_screen() -> None:
    """Make standard output and error take everything, with letters that they lack escaped.

    Streams that a caller has replaced, such as a notebook's, stay as they are.
    """
    _open_standard_streams()
    if sys.stdout is sys.__stdout__:
        sys.stdout = _safe_stream(1, sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _safe_stream(2, sys.stderr)


def _open_standard_streams() -> None:
    """Give closed streams to nothing: else the next file that is opened would be the screen."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number


def _safe_stream(descriptor: int, stream: object) -> io.TextIOWrapper:
    """Return a text stream to a descriptor that never fails.

    Args:
        descriptor: 1 or 2.
        stream: Python's own, for its encoding and buffering; None if it was closed.
    """
    encoding, line_buffering, write_through = "utf-8", True, False
    if isinstance(stream, io.TextIOWrapper):
        stream.flush()
        encoding, line_buffering = stream.encoding, stream.line_buffering
        write_through = stream.write_through
    buffer = io.BufferedWriter(_Screen(descriptor, "w", closefd=False))
    return io.TextIOWrapper(
        buffer,
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=line_buffering,
        write_through=write_through,
    )
