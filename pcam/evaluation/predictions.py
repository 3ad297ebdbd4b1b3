"""Csv files of predictions: find and read them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcam.data.storage.csv import read_rows
from pcam.errors import ConfigError, DataError, RunError
from pcam.evaluation import columns
from pcam.runs.access import ensure_inside
from pcam.runs.files import match_paths
from pcam.runs.folder import network_label, read_config


@dataclass(frozen=True)
class Predictions:
    """The predictions of one network for one split.

    Attributes:
        name: the name that tables show.
        path: the csv file.
        ids: N unique patch ids.
        label: uint8 (N,), or None if the patches have no labels.
        probability: float64 (N,), of the positive class.
        logit: float64 (N,), its log-odds; infinite for 0 and 1 in a file without them.
        slides: N slide names, or None.
        positive: name of the class that the probabilities are of; None if the file does not say.
    """

    name: str
    path: Path
    ids: list[str]
    label: NDArray[np.uint8] | None
    probability: NDArray[np.float64]
    logit: NDArray[np.float64]
    slides: list[str] | None
    positive: str | None = None

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
            logit=self.logit[order],
            slides=slides,
        )


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


def read_predictions(path: Path) -> Predictions:
    """Read a csv of predictions: id, probability, and label, logit and slide if known.

    Raises:
        AccessError: the file of a run is a link to another place.
        DataError: a column is missing, a patch occurs twice, or a value is not valid.
    """
    if path.parent.name == "predictions":
        ensure_inside(path, path.parent.parent)
    rows = read_rows(path, ("id", "probability"))
    if not rows:
        raise DataError(f"{path} holds no predictions")
    probability = columns.read_probabilities(rows, path)
    return Predictions(
        name=label_predictions(path),
        path=path,
        ids=columns.read_ids(rows, path),
        label=columns.read_labels(rows, path),
        probability=probability,
        logit=columns.read_logits(rows, path, probability),
        slides=columns.read_slides(rows),
        positive=columns.read_positive(rows, path),
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
