"""What a metrics.csv may hold: one row per epoch, numbers, and shares from 0 to 1."""

import math
import re
from collections.abc import Sequence

from pcam.errors import shorten_value
from pcam.runs.tables import CsvTable, Row

EPOCH, SECONDS = "epoch", "seconds"
# Of a stage, "valid/auroc".
SHARES = frozenset(
    (
        *("accuracy", "auroc", "average_precision", "balanced_accuracy", "brier", "ece", "f1"),
        *("precision", "sensitivity", "specificity"),
    )
)
WHOLE = re.compile(r"[0-9]{1,9}")
NUMBER = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,4})?|nan|-?inf")


def check_metrics(table: CsvTable) -> None:
    """Make sure that a table is of epochs.

    Raises:
        ValueError: a column is missing, a row is of another length, or a cell is no number.
    """
    if table.odd:
        raise ValueError(f"line {table.odd[0]} has another number of cells than the header")
    if EPOCH not in table.columns:
        raise ValueError(f"it lacks the column {EPOCH}")
    _check_epochs([row[EPOCH] for row in table.rows])
    for row in table.rows:
        _check_row(row)


def _check_epochs(cells: Sequence[str]) -> None:
    last = -1
    for cell in cells:
        if not WHOLE.fullmatch(cell) or int(cell) <= last:
            raise ValueError(f"'{shorten_value(cell)}' is not the epoch after {last}")
        last = int(cell)


def _check_row(row: Row) -> None:
    for name, cell in row.items():
        is_share = name.rpartition("/")[2] in SHARES
        if not is_number(cell, is_share):
            raise ValueError(f"{shorten_value(name)} is '{shorten_value(cell)}'")
    if SECONDS in row and not 0 <= float(row[SECONDS] or "nan") < math.inf:
        raise ValueError(f"{SECONDS} is '{row[SECONDS]}'")


def is_number(cell: str, is_share: bool = False) -> bool:
    """Return whether a cell is a number, NaN or empty; of a share, whether it is from 0 to 1."""
    if not cell:
        return True
    if not NUMBER.fullmatch(cell):
        return False
    return not is_share or cell == "nan" or 0 <= float(cell) <= 1
