"""Small tables that people and other programs write: read with their faults named."""

import csv
from collections.abc import Sequence
from pathlib import Path

from pcam.errors import DataError


def read_rows(path: Path, needed: Sequence[str], mend: str = "") -> list[dict[str, str]]:
    """Return the rows of a csv, each cell as text; a byte-order mark (Excel's) is borne.

    Args:
        path: of the file.
        needed: columns that it must have.
        mend: what gets the file right, for the message.

    Raises:
        DataError: it is missing, is no text, lacks a column, or a row is cut short.
    """
    after = f"; {mend}" if mend else ""
    if not path.is_file():
        raise DataError(f"{path} is missing{after}")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no csv ({error}){after}") from error
    if not set(needed) <= set(columns):
        there = ", ".join(columns) or "none"
        raise DataError(
            f"{path}: columns {' and '.join(needed)} are needed, there are {there}{after}"
        )
    short = next((line for line, row in enumerate(rows, 2) if None in row.values()), None)
    if short is not None:
        raise DataError(f"{path}, line {short}: the row is cut short{after}")
    return rows
