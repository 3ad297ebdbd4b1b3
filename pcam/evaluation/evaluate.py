"""Metrics of a trained network on one split, with their intervals."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from pcam.config.classes import Classes
from pcam.config.schema import EvaluateConfig
from pcam.data.base import PatchSource
from pcam.errors import DataError, format_override
from pcam.evaluation.asked_split import open_asked_split
from pcam.evaluation.decision import (
    DecisionRule,
    choose_rule,
    reject_fitting_on_the_evaluated_split,
)
from pcam.evaluation.inference import predict_source
from pcam.evaluation.saved_run import (
    SavedRun,
    open_run,
)
from pcam.stats.intervals import Interval, bootstrap_metrics
from pcam.stats.metrics import Floats, Labels


@dataclass(frozen=True)
class Evaluation:
    """The predictions of a run for one split, and their metrics.

    Attributes:
        run: the run folder.
        network: the network's name in titles.
        weights: the origin of the network's first weights.
        scale: the scale of the training; "full" unless it was a smaller trial.
        data: name of the source.
        classes: the names of the labels 0 and 1.
        centre_labelled: whether the central 32x32 pixels alone decide the label.
        split: name of the split.
        tta: the test-time augmentation.
        source: the patches, with ids, labels and slides.
        label: uint8 (N,).
        logit: float64 (N,), log-odds of the positive class, after calibration.
        rule: threshold and temperature.
        metrics: name to {"value", "low", "high"}, 95 % intervals.
        resamples: number of bootstrap resamples.
        seed: of the bootstrap.
    """

    run: Path
    network: str
    weights: str
    scale: str
    data: str
    classes: Classes
    centre_labelled: bool
    split: str
    tta: str
    source: PatchSource
    label: Labels
    logit: Floats
    rule: DecisionRule
    metrics: dict[str, Interval]
    resamples: int
    seed: int

    @cached_property
    def probability(self) -> Floats:
        """The probability of the positive class, float64 (N,); that of a sure network may be 1."""
        return np.asarray(expit(self.logit))

    @property
    def predicted(self) -> NDArray[np.bool_]:
        """Whether each patch is predicted positive, (N,)."""
        return self.logit >= self.rule.logit

    @property
    def has_both_classes(self) -> bool:
        """Whether the split has positive and negative patches; curves need both."""
        return 0 < int(self.label.sum()) < len(self.label)

    @property
    def largest_errors(self) -> NDArray[np.int64]:
        """Indices of the wrongly predicted patches, the most confident first."""
        wrong = np.flatnonzero(self.predicted != (self.label == 1))
        away_from_label = np.where(self.label == 1, -self.logit, self.logit)[wrong]
        return wrong[np.argsort(-away_from_label, kind="stable")]


def evaluate(config: EvaluateConfig) -> Evaluation:
    """Evaluate a run on one split.

    Args:
        config: the config of ``pcam.evaluate``.

    Raises:
        RunError: the folder holds no run.
        DataError: the data is missing or has no labels.
        ConfigError: a setting does not fit the run.
    """
    return evaluate_run(open_run(Path(config.run)), config)


def evaluate_run(run: SavedRun, config: EvaluateConfig) -> Evaluation:
    """Evaluate an open run, see ``evaluate``."""
    reject_fitting_on_the_evaluated_split(config)
    opened = open_asked_split(run, config, config.split)
    data, source = opened.data, opened.source
    if source.labels is None:
        raise DataError(
            f"split={config.split}: these patches have no labels, so no metrics can be computed; "
            f"python -m pcam.predict {format_override('run', run.folder)}"
        )
    rule = choose_rule(config, run)
    logit = predict_source(
        run.model,
        source,
        opened.crop,
        data.batch_size,
        data.num_workers,
        config.tta,
        data.worker_timeout,
    )
    logit = logit / rule.temperature
    metrics = bootstrap_metrics(
        logit,
        source.labels,
        source.groups,
        log_odds=True,
        threshold=rule.logit,
        resamples=config.resamples,
        seed=config.seed,
    )
    return Evaluation(
        run=run.folder,
        network=run.label,
        weights=run.model.describe_weights(),
        scale=run.config.scale,
        data=data.name,
        classes=opened.classes,
        centre_labelled=opened.provider.centre_labelled,
        split=config.split,
        tta=config.tta,
        source=source,
        label=source.labels,
        logit=logit,
        rule=rule,
        metrics=metrics,
        resamples=config.resamples,
        seed=config.seed,
    )
