"""Small csv files that people and other programs write."""

from collections.abc import Sequence
from pathlib import Path

from pcam.config.classes import UNNAMED, Classes
from pcam.errors import DataError, describe_error, shorten_value
from pcam.runs.tables import Row, read_table


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
    try:
        table = read_table(path)
    except ValueError as error:
        raise DataError(f"{path} is not a csv ({describe_error(error)}){ending}") from error
    if not set(columns) <= set(table.columns):
        raise DataError(
            f"{path}: columns {' and '.join(columns)} are needed,"
            f" found {shorten_value(', '.join(table.columns)) or 'none'}{ending}"
        )
    if table.odd:
        raise DataError(
            f"{path}, line {table.odd[0]}: the row is cut short, or longer than the header{ending}"
        )
    return table.rows


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
                f"{path}: id {shorten_value(name)} has label {shorten_value(label)}; labels are"
                f" {' or '.join(values)}; {hint}"
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
        DataError: the file is missing or lacks a column, or an id has no slide, or two.
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
    slides: dict[str, str] = {}
    for row in rows:
        name, slide = row["id"], row[columns[0]]
        if not slide:
            raise DataError(f"{path}: id {shorten_value(name)} has an empty slide; {hint}")
        if slides.setdefault(name, slide) != slide:
            raise DataError(f"{path}: id {shorten_value(name)} is listed with two slides; {hint}")
    return slides
