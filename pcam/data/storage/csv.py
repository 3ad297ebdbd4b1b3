"""Small csv files that people and other programs write."""

import csv
from collections.abc import Sequence
from pathlib import Path

from pcam.config.classes import UNNAMED, Classes
from pcam.errors import DataError
from pcam.runs.access import ensure_readable

Row = dict[str, str]


def read_rows(path: Path, columns: Sequence[str], hint: str = "") -> list[Row]:
    """Return the rows of a csv, each cell as text; a byte-order mark (Excel's) is skipped.

    Args:
        path: of the file.
        columns: columns that it must have.
        hint: how to get the file right, for the message.

    Raises:
        AccessError: the file cannot be read now.
        DataError: the file is missing, is not a csv, lacks a column, or a row is cut short.
    """
    ending = f"; {hint}" if hint else ""
    if not path.is_file():
        raise DataError(f"{path} is missing{ending}")
    ensure_readable(path)
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


def read_labels(path: Path, hint: str, classes: Classes = UNNAMED) -> dict[str, int]:
    """Return id → label from a csv with the columns id and label.

    Args:
        path: of the file.
        hint: how to get the file right, for the message.
        classes: the names of the labels 0 and 1; the file may have these names in place of them.

    Raises:
        DataError: as `read_rows`; or an id is listed twice, or a label is neither 0 nor 1 nor the
            name of a class.
    """
    rows = read_rows(path, ("id", "label"), hint)
    labels = {row["id"]: row["label"] for row in rows}
    if len(labels) != len(rows):
        raise DataError(f"{path}: {len(rows) - len(labels)} ids are listed more than once; {hint}")
    values = label_values(classes)
    for name, label in labels.items():
        if label not in values:
            raise DataError(
                f"{path}: id {name} has label {label}; labels are {' or '.join(values)}; {hint}"
            )
    return {name: values[label] for name, label in labels.items()}


def label_values(classes: Classes) -> dict[str, int]:
    """Return the texts that a csv may have as a label, each with its label.

    They are the names of the classes, and 0 and 1, unless classes are called 0 or 1 themselves.

    Args:
        classes: the names of the labels 0 and 1.
    """
    named = {name: label for label, name in enumerate(classes)}
    if classes == UNNAMED:
        return {"0": 0, "1": 1}
    return named if named.keys() & {"0", "1"} else {"0": 0, "1": 1, **named}


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
