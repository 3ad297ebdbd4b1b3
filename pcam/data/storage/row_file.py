"""Rows of equal size, read from known places of a file.

A memory map does the same, but where its file was cut short, or its disk fails, the system ends the
process by a signal (SIGBUS). These reads raise errors.
"""

import os
import weakref
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcam.data.base import Pixels
from pcam.data.file_state import PUT_BACK, FileState
from pcam.errors import AccessError, DataError
from pcam.runs.access import access_error


class RowFile:
    """A file that is open for reading.

    Reads name their place, so processes that were forked may read through the same descriptor. A
    copy, or an object that was sent to another process, opens the file for itself. The descriptor
    is closed when the object goes.

    Attributes:
        state: of the file when it was opened.
    """

    def __init__(self, path: Path) -> None:
        """Open a file.

        Raises:
            AccessError: it cannot be opened.
        """
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise _read_error(path, error) from error
        weakref.finalize(self, os.close, self._descriptor)
        self.state = FileState.of(path, self._descriptor)

    def __reduce__(self) -> tuple[type["RowFile"], tuple[Path]]:
        return RowFile, (self.state.path,)

    def read(self, offsets: NDArray[np.int64], size: int) -> Pixels:
        """Return rows, uint8 (n, size).

        Args:
            offsets: (n,), the byte at which each row starts, in any order.
            size: of a row, bytes.

        Raises:
            AccessError: the system cannot read the file.
            DataError: the file ends before a row does.
        """
        rows = np.empty((len(offsets), size), np.uint8)
        if not rows.size:
            return rows
        content = rows.data.cast("B")
        breaks = np.flatnonzero(np.diff(offsets) != size) + 1  # rows that are not side by side
        firsts = np.concatenate(([0], breaks))
        bounds = [*(firsts * size).tolist(), len(content)]
        try:
            for run, offset in enumerate(offsets[firsts].tolist()):
                part = content[bounds[run] : bounds[run + 1]]
                if os.preadv(self._descriptor, [part], offset) != len(part):
                    self._fill(part, offset)
        except OSError as error:
            raise _read_error(self.state.path, error) from error
        return rows

    def _fill(self, content: memoryview, offset: int) -> None:
        """Read bytes from a place on in as many calls as it takes."""
        while len(content):
            count = os.preadv(self._descriptor, [content], offset)
            if count == 0:
                size = os.fstat(self._descriptor).st_size
                raise DataError(
                    f"{self.state.path} was cut short while it was read: it has {size:,} bytes"
                    f" now; {PUT_BACK}"
                )
            content, offset = content[count:], offset + count


def _read_error(path: Path, error: OSError) -> AccessError | DataError:
    return access_error(path, error) or DataError(f"{path} cannot be read ({error})")
