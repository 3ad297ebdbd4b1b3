"""Size and time of a file, to notice that it changed while it was in use."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pcam.runs.access import describe_os_error

PUT_BACK = "put it back as it was"


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as it was at some moment.

    Attributes:
        path: of the file.
        size: bytes.
        modified: time of its last change, nanoseconds since 1970.
    """

    path: Path
    size: int
    modified: int

    @classmethod
    def of(cls, path: Path, descriptor: int | None = None) -> "FileState":
        """Return the state of a file now.

        Args:
            path: of the file.
            descriptor: of the file if it is open; the path may lead to another one meanwhile.

        Raises:
            OSError: it is not there, or cannot be looked at.
        """
        status = os.stat(path if descriptor is None else descriptor)
        return cls(path, status.st_size, status.st_mtime_ns)

    def describe_change(self) -> str | None:
        """Return what became of the file since then; None if it is as it was."""
        try:
            now = FileState.of(self.path)
        except FileNotFoundError:
            return f"{self.path} was deleted while it was in use"
        except OSError as error:
            reason = describe_os_error(error, self.path)
            return f"{self.path} cannot be read any more ({reason})"
        if now.size != self.size:
            change = f"it had {self.size:,} bytes and has {now.size:,} now"
        elif now.modified != self.modified:
            change = f"its time was {_time(self.modified)} and is {_time(now.modified)} now"
        else:
            return None
        return f"{self.path} changed while it was in use: {change}"


def _time(nanoseconds: int) -> str:
    return datetime.fromtimestamp(nanoseconds / 1e9).isoformat(" ", "milliseconds")
