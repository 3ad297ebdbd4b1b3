"""Predictions of several networks for the same patches: find the files, read and align them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcam.data.storage.csv import read_rows
from pcam.errors import ConfigError, DataError, RunError
from pcam.evaluation import columns
from pcam.runs.files import match_paths
from pcam.runs.folder import network_label, read_config

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Predictions:
    """The predictions of one network for one split.

    Attributes:
        name: the name that tables show.
        path: the csv file.
        ids: N unique patch ids.
        label: uint8 (N,), or None if the patches have no labels.
        probability: float64 (N,), of the positive class.
        slides: N slide names, or None.
    """

    name: str
    path: Path
    ids: list[str]
    label: NDArray[np.uint8] | None
    probability: NDArray[np.float64]
    slides: list[str] | None

    @property
    def labelled_patches(self) -> frozenset[tuple[str, int]]:
        """The set of (id, label): equal for predictions of the same patches.

        The label is -1 if it is unknown.
        """
        labels = [-1] * len(self.ids)
        if self.label is not None:
            labels = self.label.tolist()
        return frozenset(zip(self.ids, labels, strict=True))

    def reorder(self, ids: Sequence[str]) -> "Predictions":
        """Return the same predictions in another order.

        Args:
            ids: the same N patches in the order to return.
        """
        position = {name: i for i, name in enumerate(self.ids)}
        order = np.array([position[name] for name in ids], np.int64)
        label, slides = self.label, self.slides
        if label is not None:
            label = label[order]
        if slides is not None:
            slides = [slides[i] for i in order]
        return replace(
            self,
            ids=list(ids),
            label=label,
            probability=self.probability[order],
            slides=slides,
        )


@dataclass(frozen=True)
class AlignedPredictions:
    """The predictions of M networks for the same N patches, in the same order.

    Attributes:
        names: M unique names.
        ids: N patch ids.
        label: uint8 (N,), or None.
        probability: float64 (M, N).
        slides: N slide names, or None.
    """

    names: list[str]
    ids: list[str]
    label: NDArray[np.uint8] | None
    probability: NDArray[np.float64]
    slides: list[str] | None


# Finding the files --------------------------------------------------------------------------------


def find_predictions(asked: str | Sequence[str], split: str) -> list[Path]:
    """Return the csv files of predictions that a command names, each once.

    Args:
        asked: run folders, folders that evaluate or predict wrote, csv files, or globs of these.
        split: the split whose predictions are wanted.

    Raises:
        ConfigError: nothing is asked for.
        RunError: a path does not exist, or has no predictions of the split.
    """
    words = [asked] if isinstance(asked, str) else [str(word) for word in asked]
    if not words:
        raise ConfigError("runs=[FOLDER, GLOB, CSV, ...] must be given")
    found: dict[Path, None] = {}
    for word in words:
        for path in _find_one(word, split):
            found[path.absolute()] = None
    return list(found)


def _find_one(word: str, split: str) -> list[Path]:
    """Return the csv files that one path or glob stands for.

    Args:
        word: a path or a glob.
        split: the split whose predictions are wanted.

    Raises:
        RunError: nothing matches, or a folder given by name has no predictions of the split.
    """
    paths = _match_predictions(word)
    files = [_predictions_file(path, split) for path in paths]
    existing = [file for file in files if file.is_file()]
    if existing == files:
        return files
    # Folders of a glob without predictions are skipped; a folder given by name is not.
    is_glob = paths != [Path(word)]
    if is_glob and existing:
        return existing
    splits = sorted(path.stem for path in paths[0].glob("predictions/*.csv"))
    available = ", ".join(splits) or "none"
    raise RunError(
        f"{word} has no predictions/{split}.csv (available: {available}); "
        "write them with python -m pcam.predict, or choose another split="
    )


def _match_predictions(word: str) -> list[Path]:
    """Return the folders and csv files that a path or glob matches, at least one.

    A glob also matches other files, such as a sweep's multirun.yaml; these are left out.

    Raises:
        RunError: nothing matches.
    """
    given = Path(word)
    paths = []
    for path in match_paths(word, "runs"):
        is_csv = path.suffix == ".csv"
        if path.is_dir() or is_csv or path == given:
            paths.append(path)
    if not paths:
        raise RunError(f"runs: {word} matches no folder and no csv file")
    return paths


def _predictions_file(path: Path, split: str) -> Path:
    return path if path.is_file() else path / "predictions" / f"{split}.csv"


# Reading one file ---------------------------------------------------------------------------------


def read_predictions(path: Path) -> Predictions:
    """Read a csv of predictions: id, probability, and label and slide if known.

    Raises:
        DataError: a column is missing, a patch occurs twice, or a value is not valid.
    """
    rows = read_rows(path, ("id", "probability"))
    if not rows:
        raise DataError(f"{path} holds no predictions")
    return Predictions(
        name=label_predictions(path),
        path=path,
        ids=columns.read_ids(rows, path),
        label=columns.read_labels(rows, path),
        probability=columns.read_probabilities(rows, path),
        slides=columns.read_slides(rows),
    )


def label_predictions(path: Path) -> str:
    """Return the name of predictions in tables.

    Args:
        path: RUN/predictions/SPLIT.csv, or any other csv file.

    Returns:
        The run's network, augmentation and seed; without a run the name of the folder or file.
    """
    if path.parent.name != "predictions":
        return path.stem
    folder = path.parent.parent
    if not (folder / "config.yaml").is_file():
        return folder.name
    config = read_config(folder)
    return f"{network_label(config)} {config.aug.name} seed {config.seed}"


# Aligning several ---------------------------------------------------------------------------------


def align_predictions(members: Sequence[Predictions]) -> AlignedPredictions:
    """Put the predictions of several networks into the patch order of the first.

    Args:
        members: at least one.

    Raises:
        DataError: they are of different patches, or disagree on a label.
    """
    first = members[0]
    aligned = []
    label: NDArray[np.uint8] | None = None
    slides: list[str] | None = None
    for original in members:
        _validate_same_patches(original, first)
        member = original.reorder(first.ids)
        aligned.append(member.probability)
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
        probability=np.stack(aligned),
        slides=slides,
    )


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
    named = list(zip(found.names, found.probability, strict=True))
    for (one, first), (other, second) in combinations(named, 2):
        if np.array_equal(first, second):
            log.warning(
                "%s and %s predict the same for every patch: is it the same network twice?",
                one,
                other,
            )
