"""Predictions of several networks for the same patches, in the same order."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pcam.errors import DataError
from pcam.evaluation.predictions import Predictions

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AlignedPredictions:
    """The predictions of M networks for the same N patches, in the same order.

    Attributes:
        names: M unique names.
        ids: N patch ids.
        label: uint8 (N,), or None.
        logit: float64 (M, N), log-odds of the positive class.
        slides: N slide names, or None.
        positive: name of the class that the probabilities are of; None if no file says it.
    """

    names: list[str]
    ids: list[str]
    label: NDArray[np.uint8] | None
    logit: NDArray[np.float64]
    slides: list[str] | None
    positive: str | None = None


def align_predictions(members: Sequence[Predictions]) -> AlignedPredictions:
    """Put the predictions of several networks into the patch order of the first.

    Args:
        members: at least one.

    Raises:
        DataError: they are of different patches or classes, or disagree on a label.
    """
    first = members[0]
    positive = _common_positive(members)
    aligned = []
    label: NDArray[np.uint8] | None = None
    slides: list[str] | None = None
    for original in members:
        _validate_same_patches(original, first)
        member = original.reorder(first.ids)
        aligned.append(member.logit)
        if label is None:
            label = member.label
        elif member.label is not None:
            _validate_same_labels(member, label)
        if slides is None:
            slides = member.slides
    return AlignedPredictions(
        names=label_members(members),
        ids=first.ids,
        label=label,
        logit=np.stack(aligned),
        slides=slides,
        positive=positive,
    )


def _common_positive(members: Sequence[Predictions]) -> str | None:
    """Return the name of the class that all probabilities are of; None if no file says it."""
    named = [member for member in members if member.positive is not None]
    for member in named:
        if member.positive != named[0].positive:
            raise DataError(
                f"{member.path} has probabilities of {member.positive}, {named[0].path} of"
                f" {named[0].positive}; if both mean the same class, write them again with one"
                " name: python -m pcam.predict ... data.positive=NAME"
            )
    return named[0].positive if named else None


def _validate_same_patches(member: Predictions, first: Predictions) -> None:
    different = set(member.ids) ^ set(first.ids)
    if different:
        raise DataError(
            f"{member.path} and {first.path} are predictions of different patches: "
            f"{len(different)} ids are in only one of them, for example {min(different)}"
        )


def _validate_same_labels(member: Predictions, label: NDArray[np.uint8]) -> None:
    different = np.flatnonzero(member.label != label)
    if len(different):
        raise DataError(
            f"{member.path} disagrees with the files before it on the labels of "
            f"{len(different)} patches, for example {member.ids[different[0]]}"
        )


def label_members(members: Sequence[Predictions]) -> list[str]:
    """Return unique names: equal names get their folder's, or else every name gets a number.

    Args:
        members: with any names.

    Returns:
        A name for each, in their order.
    """
    names = [member.name for member in members]
    with_folders = []
    for member in members:
        label = member.name
        if names.count(label) > 1:
            folder = member.path.parent.parent
            label = f"{label} ({folder.name})"
        with_folders.append(label)
    if len(set(with_folders)) == len(members):
        return with_folders
    return [f"{name} #{number}" for number, name in enumerate(names, 1)]


def warn_about_equal_members(found: AlignedPredictions) -> None:
    """Log a warning for each pair of networks whose predictions are equal.

    Args:
        found: the predictions of all networks for the same patches.
    """
    named = list(zip(found.names, found.logit, strict=True))
    for (one, first), (other, second) in combinations(named, 2):
        if np.array_equal(first, second):
            log.warning(
                "%s and %s predict the same for every patch: is it the same network twice?",
                one,
                other,
            )
