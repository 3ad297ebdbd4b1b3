"""Metrics of a trained network on one split, with their intervals."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcam.config.classes import Classes
from pcam.config.schema import EvaluateConfig
from pcam.data.base import PatchSource
from pcam.errors import ConfigError, DataError, format_override
from pcam.evaluation.asked_split import match_run, open_asked_split
from pcam.evaluation.inference import predict_probabilities
from pcam.evaluation.saved_run import (
    SavedRun,
    crop_for_split,
    open_run,
    open_split,
)
from pcam.stats.calibration import apply_temperature, fit_temperature, logit
from pcam.stats.intervals import Interval, bootstrap_metrics
from pcam.stats.metrics import Floats, Labels
from pcam.stats.thresholds import at_sensitivity, youden


@dataclass(frozen=True)
class DecisionRule:
    """How a probability becomes a prediction; chosen on valid or by a person, never on the split.

    Attributes:
        threshold: a patch is predicted positive from this probability on.
        description: the threshold and how it was chosen.
        temperature: the number that divides the log-odds; 1 leaves them unchanged.
        note: what was unusual when the temperature was fitted, or "".
    """

    threshold: float
    description: str
    temperature: float = 1.0
    note: str = ""


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
        probability: float64 (N,), of the positive class, after calibration.
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
    probability: Floats
    rule: DecisionRule
    metrics: dict[str, Interval]
    resamples: int
    seed: int

    @property
    def has_both_classes(self) -> bool:
        """Whether the split has positive and negative patches; curves need both."""
        return 0 < int(self.label.sum()) < len(self.label)

    @property
    def largest_errors(self) -> NDArray[np.int64]:
        """Indices of the wrongly predicted patches, the most confident first."""
        predicted = self.probability >= self.rule.threshold
        wrong = np.flatnonzero(predicted != (self.label == 1))
        distance = np.abs(self.probability[wrong] - self.label[wrong])
        return wrong[np.argsort(-distance, kind="stable")]


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
    _reject_fitting_on_the_evaluated_split(config)
    opened = open_asked_split(run, config, config.split)
    data, source = opened.data, opened.source
    if source.labels is None:
        raise DataError(
            f"split={config.split}: these patches have no labels, so no metrics can be computed; "
            f"python -m pcam.predict {format_override('run', run.folder)}"
        )
    rule = choose_rule(config, run)
    probability = predict_probabilities(
        run.model,
        source,
        opened.crop,
        data.batch_size,
        data.num_workers,
        config.tta,
    )
    probability = apply_temperature(probability, rule.temperature)
    metrics = bootstrap_metrics(
        probability,
        source.labels,
        source.groups,
        threshold=rule.threshold,
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
        probability=probability,
        rule=rule,
        metrics=metrics,
        resamples=config.resamples,
        seed=config.seed,
    )


# Threshold and temperature ------------------------------------------------------------------------


def choose_rule(config: EvaluateConfig, run: SavedRun) -> DecisionRule:
    """Return threshold and temperature, fitted on the run's own valid split where needed.

    Raises:
        DataError: valid has one class only, so no threshold can be chosen on it.
    """
    if not _needs_fitting(config):
        return DecisionRule(float(config.threshold), f"threshold {config.threshold}")
    probability, label = _predict_valid(config, run)
    temperature, note = 1.0, ""
    if config.calibration == "temperature":
        fitted = fit_temperature(logit(probability), label)
        temperature, note = fitted.value, fitted.note
        probability = apply_temperature(probability, temperature)
    threshold, description = _choose_threshold(config, probability, label)
    if np.isnan(threshold):
        raise DataError(
            "valid has one class only, so no threshold can be chosen on it; threshold=0.5"
        )
    return DecisionRule(threshold, description, temperature, note)


def _needs_fitting(config: EvaluateConfig) -> bool:
    return config.calibration != "none" or isinstance(config.threshold, str)


def _predict_valid(config: EvaluateConfig, run: SavedRun) -> tuple[Floats, Labels]:
    """Predict the run's own valid split, on which threshold and calibration are fitted.

    Args:
        config: the config of ``pcam.evaluate``.
        run: the network.

    Returns:
        Probabilities and labels, (N,) each.
    """
    data = match_run(run, run.config.data, None)
    batch_size = config.data.batch_size or data.batch_size
    num_workers = config.data.num_workers
    if num_workers is None:
        num_workers = data.num_workers
    valid = open_split(data, run.config.splits, run.config.seed, "valid")
    assert valid.labels is not None
    crop = crop_for_split(run.config, "valid")
    probability = predict_probabilities(run.model, valid, crop, batch_size, num_workers, config.tta)
    return probability, valid.labels


def _choose_threshold(
    config: EvaluateConfig, probability: Floats, label: Labels
) -> tuple[float, str]:
    """Return a threshold and how it was chosen, from the predictions of valid.

    Args:
        config: the config of ``pcam.evaluate``.
        probability: (N,), of valid.
        label: (N,), of valid.
    """
    if config.threshold == "youden":
        threshold = youden(probability, label)
        reason = "the largest sensitivity + specificity"
    elif config.threshold == "sensitivity":
        threshold = at_sensitivity(probability, label, config.sensitivity)
        reason = f"a sensitivity of {config.sensitivity:g}"
    else:
        return float(config.threshold), f"threshold {config.threshold}"
    return threshold, f"threshold {threshold:.4f}, for {reason} on the run's valid"


def _reject_fitting_on_the_evaluated_split(config: EvaluateConfig) -> None:
    """Check that nothing is fitted on the split that is evaluated.

    Args:
        config: the config of ``pcam.evaluate``.

    Raises:
        ConfigError: threshold or calibration is fitted on valid, and split=valid.
    """
    if config.split == "valid" and _needs_fitting(config):
        raise ConfigError(
            "split=valid: threshold and calibration are fitted on valid, so its metrics would be "
            "too good; split=test"
        )
