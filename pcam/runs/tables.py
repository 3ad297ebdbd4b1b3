"""Csv files, read as text: a header whose names are there once, and rows of its length."""

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pcam.runs.access import access_error, ensure_readable

Row = dict[str, str]


@dataclass(frozen=True)
class CsvTable:
    """The content of a csv.

    Attributes:
        columns: names, in the order of the file.
        rows: cells by name, each row as long as the header.
        odd: lines of rows that are shorter or longer, from 1; they are not in ``rows``.
    """

    columns: list[str]
    rows: list[Row]
    odd: list[int]


def is_there(path: Path) -> bool:
    """Return whether anything has a name: a file, but also a pipe or a link to nothing."""
    return os.path.lexists(path)


def read_table(path: Path) -> CsvTable:
    """Read a csv, UTF-8 with or without a byte-order mark (Excel's); blank lines are skipped.

    Raises:
        AccessError: the file cannot be read now.
        ValueError: it is not a csv, or two columns of one name differ.
    """
    ensure_readable(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.reader(file, strict=True))
    except csv.Error as error:
        raise ValueError(str(error)) from error
    except OSError as error:
        raise (access_error(path, error) or ValueError(str(error))) from error
    columns = lines[0] if lines else []
    rows: list[Row] = []
    odd: list[int] = []
    whole: list[Sequence[str]] = []
    for number, cells in enumerate(lines[1:], 2):
        if len(cells) == len(columns):
            whole.append(cells)
            rows.append(dict(zip(columns, cells, strict=True)))
        elif cells:
            odd.append(number)
    _check_repeated(columns, whole)
    return CsvTable(columns, rows, odd)


def _check_repeated(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Make sure that columns of one name are equal."""
    first: dict[str, int] = {}
    for place, name in enumerate(columns):
        if name not in first:
            first[name] = place
        elif any(row[place] != row[first[name]] for row in rows):
            raise ValueError(f"two columns are called {name}, and differ")
