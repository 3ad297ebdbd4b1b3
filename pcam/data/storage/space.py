"""Free space on a disk."""

import shutil
from pathlib import Path

from pcam.errors import DataError


def require_space(folder: Path, needed: float, purpose: str) -> None:
    """Make sure that a disk has room.

    Args:
        folder: an existing folder on it.
        needed: bytes.
        purpose: end of the message: what the room is for, or the key that names another folder.

    Raises:
        DataError: the disk is too full.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DataError(
            f"{folder} has {free / 1e9:.1f} GB free, {needed / 1e9:.1f} GB are needed {purpose}"
        )
