"""Predictions of several networks for the same patches, read from run folders and csvs and laid side by side."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcam.data.storage.csv import read_rows
from pcam.errors import ConfigError, DataError, RunError
from pcam.runs.files import match_paths
from pcam.runs.folder import network_label, read_config

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Predictions:
    """One network's predictions of one split.

    Attributes:
        name: as tables show it.
        path: of the csv.
        ids: N names, each once.
        label: uint8 (N,), or None where the patches have none.
        probability: float64 (N,), of the positive class.
        slides: N names, or None.
    """

    name: str
    path: Path
    ids: list[str]
    label: NDArray[np.uint8] | None
    probability: NDArray[np.float64]
    slides: list[str] | None


@dataclass(frozen=True)
class AlignedPredictions:
    """The predictions of M networks for the same N patches.

    Attributes:
        names: M names, each once.
        ids: N names.
        label: uint8 (N,), or None.
        probability: float64 (M, N).
        slides: N names, or None.
    """

    names: list[str]
    ids: list[str]
    label: NDArray[np.uint8] | None
    probability: NDArray[np.float64]
    slides: list[str] | None


def find_predictions(asked: str | Sequence[str], split: str) -> list[Path]:
    """Return the csvs of what was asked for: run folders, folders that evaluate or predict left, csvs, or globs of these.

    Raises:
        ConfigError: nothing was asked for.
        RunError: one of them is not there, or has no predictions of the split.
    """
    words = [asked] if isinstance(asked, str) else list(asked)
    if not words:
        raise ConfigError("runs=[FOLDER, GLOB, CSV, ...] must be given")
    found = []
    for word in map(str, words):
        paths = match_paths(word, "runs")
        paths = [
            path for path in paths if path.is_dir() or path.suffix == ".csv" or path == Path(word)
        ]  # no multirun.yaml
        if not paths:
            raise RunError(f"runs: {word} matches neither folders nor csvs")
        whole = len(paths) == 1 and paths[0] == Path(word)
        of = [path if path.is_file() else path / "predictions" / f"{split}.csv" for path in paths]
        there = [path for path in of if path.is_file()]
        if not there or (whole and len(there) != len(of)):
            had = (
                ", ".join(sorted(path.stem for path in paths[0].glob("predictions/*.csv")))
                or "none"
            )
            raise RunError(
                f"{word} has no predictions/{split}.csv (there is {had}); python -m pcam.predict makes them, or split="
            )
        found += there  # of a glob, the folders that hold no predictions are none of ours
    return list(dict.fromkeys(path.absolute() for path in found))


def read_predictions(path: Path) -> Predictions:
    """Read a csv of predictions: id, probability, and label and slide where they are known.

    Raises:
        DataError: it lacks a column, names a patch twice, or holds what is no probability or label.
    """
    rows = read_rows(path, ("id", "probability"))
    if not rows:
        raise DataError(f"{path} holds no predictions")
    ids = [row["id"] for row in rows]
    if len(set(ids)) != len(ids):
        seen: set[str] = set()
        twice = next(name for name in ids if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise DataError(
            f"{path} names {len(ids) - len(set(ids))} patches more than once, first {twice}"
        )
    probability = np.array([_number(row["probability"]) for row in rows])
    wrong = np.flatnonzero(~((probability >= 0) & (probability <= 1)))
    if len(wrong):
        row = rows[wrong[0]]
        raise DataError(
            f"{path}: {row['id']} has the probability '{row['probability']}', not 0 to 1 ({len(wrong)} are not)"
        )
    label = None
    if "label" in rows[0]:
        odd = next((row for row in rows if row["label"] not in ("0", "1")), None)
        if odd:
            raise DataError(
                f"{path}: {odd['id']} has the label '{odd['label']}'; labels are 0 or 1"
            )
        label = np.array([row["label"] == "1" for row in rows], np.uint8)
    return Predictions(
        _name(path),
        path,
        ids,
        label,
        probability,
        [row["slide"] for row in rows] if "slide" in rows[0] else None,
    )


def align_predictions(members: Sequence[Predictions]) -> AlignedPredictions:
    """Lay members side by side, in the first one's order.

    Raises:
        DataError: they are of other patches, or disagree on a label.
    """
    first = members[0]
    probability, label, slides = np.empty((len(members), len(first.ids))), None, None
    for row, member in enumerate(members):
        odd = sorted(set(member.ids) ^ set(first.ids))
        if odd:
            raise DataError(
                f"{member.path} is of other patches than {first.path}: {len(odd)} ids are in one alone, as {odd[0]}"
            )
        place = {name: i for i, name in enumerate(member.ids)}
        order = np.array([place[name] for name in first.ids])
        probability[row] = member.probability[order]
        if member.label is not None:
            own = member.label[order]
            label = own if label is None else label
            differ = np.flatnonzero(own != label)
            if len(differ):
                named = f"{len(differ)} patches, as {first.ids[differ[0]]}"
                raise DataError(
                    f"{member.path} disagrees with the members before it on the labels of {named}"
                )
        if slides is None and member.slides is not None:
            slides = [member.slides[i] for i in order]
    names = _told_apart(members)
    for a, b in combinations(range(len(members)), 2):
        if np.array_equal(probability[a], probability[b]):
            log.warning(
                "%s and %s say the same of every patch: is it one network twice?",
                names[a],
                names[b],
            )
    return AlignedPredictions(names, first.ids, label, probability, slides)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _name(path: Path) -> str:
    """Return what a table calls a csv: the network of its run, else the name of its folder or file."""
    folder = path.parent.parent
    if path.parent.name == "predictions" and (folder / "config.yaml").is_file():
        config = read_config(folder)
        return f"{network_label(config)} {config['aug']['name']} seed {config['seed']}"
    return folder.name if path.parent.name == "predictions" else path.stem


def _told_apart(members: Sequence[Predictions]) -> list[str]:
    """Return names that differ: those of equal names with their folders', or else all with a number."""
    names = [member.name for member in members]
    folders = [member.path.parent.parent.name for member in members]
    named = [
        name if names.count(name) == 1 else f"{name} ({folders[i]})" for i, name in enumerate(names)
    ]
    return (
        named
        if len(set(named)) == len(named)
        else [f"{name} #{i + 1}" for i, name in enumerate(names)]
    )
