"""The columns of a csv of predictions, with their faults named."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from pcam.errors import DataError, shorten_value
from pcam.runs.metrics_file import is_number
from pcam.stats.logodds import log_odds

Row = dict[str, str]
LOGIT_TOLERANCE = 0.01  # of the probability, which may have been rounded


def read_ids(rows: Sequence[Row], path: Path) -> list[str]:
    """Return the ids.

    Args:
        rows: of one csv file.
        path: of the file, for the message.

    Raises:
        DataError: an id occurs twice, or is empty.
    """
    ids = [row["id"] for row in rows]
    if "" in ids:
        raise DataError(f"{path}: row {ids.index('')} has an empty id")
    _validate_unique(ids, path)
    return ids


def _validate_unique(ids: Sequence[str], path: Path) -> None:
    """Check that no id occurs twice.

    Args:
        ids: of the patches, in the order of the file.
        path: of the file, for the message.

    Raises:
        DataError: one does; names the first.
    """
    count = len(ids) - len(set(ids))
    if count == 0:
        return
    seen: set[str] = set()
    for name in ids:
        if name in seen:
            raise DataError(f"{path} names {count} patches more than once, first {name}")
        seen.add(name)


def read_probabilities(rows: Sequence[Row], path: Path) -> NDArray[np.float64]:
    """Return the probabilities, float64 (N,).

    Args:
        rows: N of one csv file.
        path: of the file, for the message.

    Raises:
        DataError: a value is not a number from 0 to 1.
    """
    probability = np.array([_parse_number(row["probability"]) for row in rows])
    valid = (probability >= 0) & (probability <= 1)
    if not valid.all():
        wrong = np.flatnonzero(~valid)
        first = rows[wrong[0]]
        raise DataError(
            f"{path}: {first['id']} has the probability "
            f"'{shorten_value(first['probability'])}', "
            f"not 0 to 1 ({len(wrong)} are not)"
        )
    return probability


def read_logits(
    rows: Sequence[Row], path: Path, probability: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the log-odds, float64 (N,); without a column of them those of the probabilities.

    Args:
        rows: N of one csv file, at least one.
        path: of the file, for the message.
        probability: (N,), of the same rows.

    Raises:
        DataError: a value is not the log-odds of its row's probability.
    """
    if "logit" not in rows[0]:
        return log_odds(probability)
    logit = np.array([_parse_number(row["logit"]) for row in rows])
    valid = np.abs(expit(logit) - probability) <= LOGIT_TOLERANCE
    if not valid.all():
        wrong = np.flatnonzero(~valid)
        first = rows[wrong[0]]
        raise DataError(
            f"{path}: {first['id']} has the logit '{shorten_value(first['logit'])}', "
            f"not log(p/(1-p)) of its probability '{first['probability']}' "
            f"({len(wrong)} differ); correct or remove the column logit"
        )
    return logit


def _parse_number(text: str) -> float:
    """Return a number, NaN for other text; a logit may be infinite."""
    return float(text) if text and is_number(text) else float("nan")


def read_labels(rows: Sequence[Row], path: Path) -> NDArray[np.uint8] | None:
    """Return the labels, uint8 (N,); None without a column of labels.

    Args:
        rows: N of one csv file, at least one.
        path: of the file, for the message.

    Raises:
        DataError: a label is not 0 or 1.
    """
    if "label" not in rows[0]:
        return None
    for row in rows:
        label = row["label"]
        if label not in ("0", "1"):
            raise DataError(
                f"{path}: {row['id']} has the label '{shorten_value(label)}'; labels are 0 or 1"
            )
    return np.array([row["label"] == "1" for row in rows], np.uint8)


def read_slides(rows: Sequence[Row]) -> list[str] | None:
    """Return the slide names.

    Args:
        rows: N of one csv file, at least one.

    Returns:
        N names, in the order of the file; None without a column of slides.
    """
    if "slide" not in rows[0]:
        return None
    return [row["slide"] for row in rows]


def read_positive(rows: Sequence[Row], path: Path) -> str | None:
    """Return the name of the positive class; None without a column of it.

    Args:
        rows: N of one csv file, at least one.
        path: of the file, for the message.

    Raises:
        DataError: rows name different classes.
    """
    if "positive" not in rows[0]:
        return None
    names = sorted({row["positive"] for row in rows})
    if len(names) > 1:
        raise DataError(
            f"{path}: the column positive names several classes: {shorten_value(', '.join(names))}"
        )
    return names[0]
