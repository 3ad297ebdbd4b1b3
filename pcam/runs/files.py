"""Files of a run folder. Each is written as a whole: it never exists in part."""

import csv
import glob
import io
import json
import math
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from pcam.errors import RunError, WriteError, describe_error
from pcam.runs.access import describe_os_error
from pcam.runs.metrics_file import check_metrics
from pcam.runs.tables import is_there, read_table
from pcam.runs.trees import JsonObject, read_json_file


def write_file(path: Path, content: str | bytes) -> None:
    """Write a file so that it appears as a whole or not at all.

    Args:
        path: the file; its folder is created.
        content: text, written as UTF-8, or bytes.

    Raises:
        WriteError: it cannot be written.
    """
    with replaced_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def replaced_file(path: Path, keep: Path | None = None) -> Iterator[BinaryIO]:
    """Open a new file, which takes a file's place when it is complete and on the disk.

    It is written beside the other under a random name, never through a link. A process that is
    killed leaves it there, and the next one removes it: only one process writes into a folder.

    Args:
        path: the file; its folder is created.
        keep: where the file that was there before is kept; None to remove it.

    Raises:
        WriteError: it cannot be written; the file that was there before still is.
    """
    with write_errors_named(path), _new_file(path, keep) as file:
        yield file


@contextmanager
def write_errors_named(path: Path) -> Iterator[None]:
    """Report that a file cannot be written.

    Raises:
        WriteError: in place of an error of the system, or of an error that followed from one.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:  # torch raises its own where a write has failed
        cause = _system_error(error)
        if cause is None:
            raise
        reason = describe_os_error(cause, path.parent)
        raise WriteError(f"{path} cannot be written: {reason}") from error


def _system_error(error: BaseException | None) -> OSError | None:
    """Return the error of the system that an error is, or that it followed from."""
    while error is not None:
        if isinstance(error, OSError) and error.errno:
            return error
        error = error.__context__
    return None


@contextmanager
def _new_file(path: Path, keep: Path | None) -> Iterator[BinaryIO]:
    """Open a file beside another, and rename it at the end; see ``replaced_file``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        leftover.unlink(missing_ok=True)
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        with os.fdopen(os.open(new, flags, 0o666), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if keep is not None and path.exists():
            _keep(path, keep)
        os.replace(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _keep(path: Path, keep: Path) -> None:
    """Give a file a second name, so that it is there at any moment."""
    keep.unlink(missing_ok=True)
    try:
        os.link(path, keep)
    except OSError:  # a file system without hard links
        os.replace(path, keep)


def _sync_folder(folder: Path) -> None:
    """Write a folder's names to the disk, where the file system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        return
    finally:
        os.close(descriptor)


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write a JSON file. Not-a-number is written as null, because JSON has no other form of it."""
    write_file(path, json.dumps(nan_to_none(content), indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> JsonObject | None:
    """Return the content of a JSON file, or None if there is no file.

    Raises:
        AccessError: the file cannot be read now.
        RunError: the file is damaged.
    """
    return read_json_file(path) if is_there(path) else None


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a csv file with a header."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_file(path, buffer.getvalue())


def read_metrics(path: Path) -> list[dict[str, str]]:
    """Return the rows of a metrics.csv; none if there is no file.

    Raises:
        AccessError: the file cannot be read now.
        RunError: the file is damaged.
    """
    if not is_there(path):
        return []
    try:
        table = read_table(path)
        check_metrics(table)
    except ValueError as error:
        raise RunError(f"{path} is damaged ({describe_error(error)})") from error
    return table.rows


def match_paths(pattern: str, key: str) -> list[Path]:
    """Return the paths that a pattern of the command line names.

    Args:
        pattern: a path that exists, or a glob.
        key: the config's key that the pattern is the value of, for the message.

    Returns:
        The path itself, or the matches of the glob in alphabetical order.

    Raises:
        RunError: nothing matches.
    """
    if Path(pattern).exists():
        return [Path(pattern)]
    matches = sorted(glob.glob(_escape_existing(pattern), recursive=True))
    if not matches:
        raise RunError(f"{key}: no file or folder matches {pattern}")
    return [Path(match) for match in matches]


def _escape_existing(pattern: str) -> str:
    """Return a glob in which the folders that exist are names: ``a[1]/*`` is not ``a1/*``."""
    for parent in Path(pattern).parents:
        if parent.exists():
            rest = Path(pattern).relative_to(parent)
            return str(Path(glob.escape(str(parent))) / rest)
    return pattern


def nan_to_none(value: Any) -> Any:
    """Return a JSON value in which each not-a-number is None.

    Args:
        value: A number, a text, None, or lists and mappings of them at any depth.
    """
    if isinstance(value, Mapping):
        return {key: nan_to_none(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [nan_to_none(item) for item in value]
    if _is_nan(value):
        return None
    return value


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)
