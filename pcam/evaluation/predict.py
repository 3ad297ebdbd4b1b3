"""Probabilities for patches, labelled or not."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import expit

from pcam.config.classes import Classes
from pcam.config.schema import PredictConfig
from pcam.data.base import PatchSource
from pcam.data.sizes import patch_size
from pcam.data.storage.csv import read_labels
from pcam.errors import DataError
from pcam.evaluation.asked_split import open_asked_split
from pcam.evaluation.inference import Network, predict_source
from pcam.evaluation.saved_run import SavedRun, open_run
from pcam.evaluation.submission import submission_scores
from pcam.stats.intervals import Interval, bootstrap_metrics
from pcam.stats.metrics import Floats, Labels

Engine = Callable[[SavedRun, tuple[int, int]], Network]  # takes height and width of the patches


@dataclass(frozen=True)
class Prediction:
    """The predictions of a run for some patches.

    Attributes:
        run: the run folder.
        network: the network's name in tables.
        scale: the scale of the training.
        data: name of the source.
        classes: the names of the labels 0 and 1.
        split: name of the split.
        tta: the test-time augmentation.
        source: the patches, with ids and slides.
        label: uint8 (N,), or None if unknown.
        logit: float64 (N,), log-odds of the positive class.
        metrics: name to {"value", "low", "high"}; None without labels.
        submission: rows (id, value) of a submission file; None if the source asks for none.
    """

    run: Path
    network: str
    scale: str
    data: str
    classes: Classes
    split: str
    tta: str
    source: PatchSource
    label: Labels | None
    logit: Floats
    metrics: dict[str, Interval] | None
    submission: list[tuple[str, str]] | None

    @property
    def probability(self) -> Floats:
        """The probability of the positive class, float64 (N,); that of a sure network may be 1."""
        return np.asarray(expit(self.logit))


def predict(config: PredictConfig, engine: Engine | None = None) -> Prediction:
    """Return the probabilities of a run for one split.

    Args:
        config: the config of ``pcam.predict``.
        engine: builds what computes the network; None for torch.

    Raises:
        RunError: the folder holds no run.
        DataError: the data is missing, or the csv of labels lacks a patch.
        ConfigError: the source has no such split.
    """
    run = open_run(Path(config.run))
    opened = open_asked_split(run, config, config.split)
    data, source, split = opened.data, opened.source, opened.name
    label = source.labels
    if config.labels is not None:
        label = _read_labels(Path(config.labels), source, opened.classes)
    network = None
    if engine is not None:
        network = engine(run, opened.crop.size_after(patch_size(source)))
    logit = predict_source(
        run.model,
        source,
        opened.crop,
        data.batch_size,
        data.num_workers,
        config.tta,
        data.worker_timeout,
        network,
    )
    metrics = None
    if label is not None:
        metrics = bootstrap_metrics(logit, label, source.groups, log_odds=True)
    rows = None
    if split == opened.provider.unlabelled_split:
        scores = submission_scores(logit, config.submit)
        rows = opened.provider.submission(source.ids, scores, config.submit)
    return Prediction(
        run=run.folder,
        network=run.label,
        scale=run.config.scale,
        data=data.name,
        classes=opened.classes,
        split=split,
        tta=config.tta,
        source=source,
        label=label,
        logit=logit,
        metrics=metrics,
        submission=rows,
    )


def _read_labels(path: Path, source: PatchSource, classes: Classes) -> Labels:
    """Return the labels of a source's patches from a csv file.

    Args:
        path: of a csv with the columns id and label: 0, 1 or the names of the classes.
        source: N patches, which the csv must all name.
        classes: the names of the labels 0 and 1.

    Returns:
        uint8 (N,).

    Raises:
        DataError: the csv lacks a patch.
    """
    known = read_labels(path, "it is a csv of id and label (labels)", classes)
    missing = [name for name in source.ids if name not in known]
    if missing:
        raise DataError(
            f"labels={path} lacks {len(missing)} of {len(source)} patches, first {missing[0]}"
        )
    return np.array([known[name] for name in source.ids], np.uint8)
