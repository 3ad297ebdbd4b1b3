"""Whether the pixels of a converted file are those that were converted."""

import contextlib
import hashlib
from collections.abc import Sequence, Sized
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pcam.data.base import Indices, Pixels
from pcam.errors import DataError
from pcam.runs.files import write_file

BLOCK = 512  # patches compared between two notes of progress
BYTES = 20  # of a SHA-1


class Readable(Protocol):
    """Patches that are read by index."""

    def __len__(self) -> int: ...
    def read(self, indices: Indices) -> Pixels:
        """Return the patches, uint8 (n, H, W, 3)."""
        ...


def parse_digests(path: Path, digests: Sequence[str], hint: str) -> NDArray[np.uint8]:
    """Return SHA-1s as uint8 (N, 20).

    Args:
        path: of the file that they are from, for the message.
        digests: N texts of 40 hexadecimal digits.
        hint: how to get the file again.

    Raises:
        DataError: one of them is not that.
    """
    try:
        content = [bytes.fromhex(digest) for digest in digests]
        if any(len(one) != BYTES for one in content):
            raise ValueError("of another length")
    except ValueError as error:
        raise DataError(
            f"{path}: 'sha1' is not 40 hexadecimal digits per patch ({error}); move it away, then"
            f" {hint}"
        ) from error
    return np.frombuffer(b"".join(content), np.uint8).reshape(-1, BYTES)


def require_equal_lengths(
    path: Path, patches: Sized, ids: Sequence[str], sha1: Sequence[str], hint: str
) -> None:
    """Make sure that a conversion has an id and a SHA-1 for each patch.

    Raises:
        DataError: it has not.
    """
    counts = (len(patches), len(ids), len(sha1))
    if len(set(counts)) > 1:
        listed = "{} patches, {} ids and {} digests".format(*counts)
        raise DataError(f"{path} has {listed}; move it away, then {hint}")


def verify(path: Path, patches: Readable, digests: NDArray[np.uint8], hint: str) -> None:
    """Compare pixels with their SHA-1, unless the file is as it was when they were compared.

    A note beside the file has its size and time then (NAME.checked).

    Args:
        path: of the file.
        patches: of the file.
        digests: uint8 (N, 20), of the file.
        hint: how to get the file again, for the message.

    Raises:
        DataError: pixels differ.
    """
    note = path.with_suffix(".checked")
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if note.is_file() and note.read_text("utf-8") == _state(path):
            return
    wrong = _count_wrong(path, patches, digests)
    if wrong:
        raise DataError(
            f"{path} was changed after its conversion: the pixels of {wrong} of {len(patches)}"
            f" patches differ from their SHA-1; move it away, then {hint}"
        )
    note_verified(path)


def note_verified(path: Path) -> None:
    """Note that a file has the pixels that it should have, where the folder can be written."""
    with contextlib.suppress(OSError):
        write_file(path.with_suffix(".checked"), _state(path))


def _state(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns}"


def _count_wrong(path: Path, patches: Readable, digests: NDArray[np.uint8]) -> int:
    wrong = 0
    with tqdm(
        total=len(patches), unit="patch", desc=f"checking {path.name}", disable=None, leave=False
    ) as bar:
        for start in range(0, len(patches), BLOCK):
            rows = np.arange(start, min(start + BLOCK, len(patches)))
            for row, patch in zip(rows, patches.read(rows), strict=True):
                found = hashlib.sha1(np.ascontiguousarray(patch).tobytes()).digest()
                wrong += found != digests[row].tobytes()
            bar.update(len(rows))
    return wrong
