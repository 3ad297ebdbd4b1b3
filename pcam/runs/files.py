"""Files of a run folder, written whole."""

import csv
import glob
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pcam.errors import RunError, describe_error


def write_file(path: Path, content: str | bytes) -> None:
    """Write a file so that it appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")
    aside.write_bytes(content.encode() if isinstance(content, str) else content)
    os.replace(aside, path)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file whole; not-a-number is written as null, which JSON has."""
    write_file(path, json.dumps(nan_to_none(content), indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any] | None:
    """Return what a JSON file holds; None where there is no file.

    Raises:
        RunError: it is broken, or holds no keys.
    """
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is broken ({describe_error(error)})") from error
    if not isinstance(content, dict):
        raise RunError(f"{path} is broken: it holds no keys")
    return content


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a csv file whole."""
    buffer = io.StringIO()
    table = csv.writer(buffer, lineterminator="\n")
    table.writerow(columns)
    table.writerows(rows)
    write_file(path, buffer.getvalue())


def read_metrics(path: Path) -> list[dict[str, str]]:
    """Return the rows of a metrics.csv, none when there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def match_paths(word: str, key: str) -> list[Path]:
    """Return the path that a word is, else those that it matches as a glob, sorted.

    Raises:
        RunError: there is none; ``key`` is where the word was typed.
    """
    found = (
        [Path(word)]
        if Path(word).exists()
        else [Path(path) for path in sorted(glob.glob(word, recursive=True))]
    )
    if not found:
        raise RunError(f"{key}: nothing is called {word}")
    return found


def nan_to_none(value: Any) -> Any:
    """Return a value as JSON has it: not-a-number, however deep, as None."""
    if isinstance(value, Mapping):
        return {key: nan_to_none(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [nan_to_none(item) for item in value]
    return None if isinstance(value, float) and value != value else value
