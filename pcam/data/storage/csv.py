"""Small csv files that people and other programs write."""

import csv
from collections.abc import Sequence
from pathlib import Path

from pcam.errors import DataError

Row = dict[str, str]


def read_rows(path: Path, columns: Sequence[str], hint: str = "") -> list[Row]:
    """Return the rows of a csv, each cell as text; a byte-order mark (Excel's) is skipped.

    Args:
        path: of the file.
        columns: columns that it must have.
        hint: how to get the file right, for the message.

    Raises:
        DataError: the file is missing, is not a csv, lacks a column, or a row is cut short.
    """
    ending = f"; {hint}" if hint else ""
    if not path.is_file():
        raise DataError(f"{path} is missing{ending}")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            found = reader.fieldnames or []
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a csv ({error}){ending}") from error
    if not set(columns) <= set(found):
        raise DataError(
            f"{path}: columns {' and '.join(columns)} are needed,"
            f" found {', '.join(found) or 'none'}{ending}"
        )
    for line, row in enumerate(rows, 2):
        if None in row.values():
            raise DataError(f"{path}, line {line}: the row is cut short{ending}")
    return rows


def read_labels(path: Path, hint: str) -> dict[str, int]:
    """Return id → label from a csv with the columns id and label.

    Args:
        path: of the file.
        hint: how to get the file right, for the message.

    Raises:
        DataError: as `read_rows`; or an id is listed twice, or a label is neither 0 nor 1.
    """
    rows = read_rows(path, ("id", "label"), hint)
    labels = {row["id"]: row["label"] for row in rows}
    if len(labels) != len(rows):
        raise DataError(f"{path}: {len(rows) - len(labels)} ids are listed more than once; {hint}")
    for name, label in labels.items():
        if label not in ("0", "1"):
            raise DataError(f"{path}: id {name} has label {label}; labels are 0 or 1; {hint}")
    return {name: int(label) for name, label in labels.items()}


def read_slides(path: Path) -> dict[str, str]:
    """Return id → slide from a csv with the columns id and wsi (or slide).

    Raises:
        DataError: the file is missing or lacks a column.
    """
    hint = "data.slide_csv is a csv of each patch's slide, columns id and wsi (or slide)"
    rows = read_rows(path, ("id",), hint)
    found = list(rows[0]) if rows else []
    columns = [name for name in ("wsi", "slide") if name in found]
    if not columns:
        raise DataError(
            f"{path}: columns id and wsi (or slide) are needed,"
            f" found {', '.join(found) or 'no rows'}"
        )
    return {row["id"]: row[columns[0]] for row in rows}
