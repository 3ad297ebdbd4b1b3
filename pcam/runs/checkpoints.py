"""Which checkpoint a run is resumed from: the last, or the one before it if that is damaged."""

import zipfile
from pathlib import Path
from typing import Any

from pcam.runs.access import access_error, ensure_readable
from pcam.runs.folder import best_checkpoint, last_checkpoint

CheckpointState = dict[str, Any]  # what a checkpoint's file holds: tensors and plain values


def previous_checkpoint(folder: Path) -> Path:
    """Return the path of the checkpoint before the last; it may not exist yet."""
    return folder / "checkpoints" / "previous.ckpt"


def existing_checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints that a run could be resumed from, whole or not, the last first."""
    paths = (last_checkpoint(folder), previous_checkpoint(folder))
    return [path for path in paths if path.is_file()]


def checkpoint_files(folder: Path) -> list[Path]:
    """Return the checkpoints of a run, whole or not, each file once."""
    paths = [best_checkpoint(folder), last_checkpoint(folder), previous_checkpoint(folder)]
    files = {path.stat().st_ino: path for path in paths if path.is_file()}
    return list(files.values())


def resumable_checkpoint(folder: Path) -> Path | None:
    """Return the newest whole checkpoint of a run; None if there is none.

    Raises:
        AccessError: a checkpoint, which may be whole, cannot be read now.
    """
    for path in existing_checkpoints(folder):
        if is_whole(path):
            return path
    return None


def is_whole(path: Path) -> bool:
    """Return whether a checkpoint has all of its bytes, as far as its checksums say.

    Raises:
        AccessError: it cannot be read now.
    """
    ensure_readable(path)
    try:
        with zipfile.ZipFile(path) as file:
            return file.testzip() is None
    except OSError as error:
        failure = access_error(path, error)
        if failure is not None:
            raise failure from error
        return False
    except Exception:  # zipfile raises many kinds for a damaged file
        return False
