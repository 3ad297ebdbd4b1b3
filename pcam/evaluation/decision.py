"""Threshold and temperature: chosen on a run's valid split, or by a person."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit

from pcam.config.schema import EvaluateConfig, ExportConfig, SlideConfig
from pcam.errors import ConfigError, DataError
from pcam.evaluation.asked_split import match_run
from pcam.evaluation.inference import predict_source
from pcam.evaluation.saved_run import SavedRun, crop_for_split, open_split
from pcam.stats.calibration import fit_temperature
from pcam.stats.logodds import log_odds
from pcam.stats.metrics import Floats, Labels
from pcam.stats.thresholds import at_sensitivity, youden

# Each has the keys of threshold and calibration
RuleConfig = EvaluateConfig | SlideConfig | ExportConfig


@dataclass(frozen=True)
class DecisionRule:
    """How a score becomes a prediction; chosen on valid or by a person, never on the split.

    Attributes:
        logit: a patch is predicted positive from these log-odds on.
        threshold: the probability of these log-odds.
        description: the threshold and how it was chosen.
        temperature: the number that divides the log-odds; 1 leaves them unchanged.
        note: what was unusual when the temperature was fitted, or "".
    """

    logit: float
    threshold: float
    description: str
    temperature: float = 1.0
    note: str = ""

    @classmethod
    def fixed(cls, threshold: float) -> "DecisionRule":
        """Return the rule of a probability that a person chose."""
        return cls(float(log_odds(threshold)), float(threshold), f"threshold {threshold}")


def choose_rule(config: RuleConfig, run: SavedRun) -> DecisionRule:
    """Return threshold and temperature, fitted on the run's own valid split where needed.

    Raises:
        DataError: valid has one class only, so nothing can be fitted on it.
    """
    if not _needs_fitting(config):
        return DecisionRule.fixed(float(config.threshold))
    logit, label = _predict_valid(config, run)
    _validate_both_classes(config, label)
    temperature, note = 1.0, ""
    if config.calibration == "temperature":
        fitted = fit_temperature(logit, label)
        temperature, note = fitted.value, fitted.note
        logit = logit / temperature
    rule = _choose_threshold(config, logit, label)
    if np.isnan(rule.logit):
        raise DataError(
            f"{run.folder}: the scores of valid are not numbers, so no threshold can be chosen"
        )
    return replace(rule, temperature=temperature, note=note)


def _needs_fitting(config: RuleConfig) -> bool:
    return config.calibration != "none" or isinstance(config.threshold, str)


def _validate_both_classes(config: RuleConfig, label: Labels) -> None:
    """Check that threshold and temperature can be fitted on valid.

    Args:
        config: the config of the command.
        label: (N,), of valid.

    Raises:
        DataError: all labels are of one class; one line per setting.
    """
    if len(np.unique(label)) > 1:
        return
    missing = "positive" if label[0] == 0 else "negative"
    faults = []
    if config.calibration != "none":
        faults.append("no temperature can be fitted on it; calibration=none")
    if isinstance(config.threshold, str):
        faults.append("no threshold can be chosen on it; threshold=0.5")
    raise DataError(*[f"the run's valid has no {missing} patch: {one}" for one in faults])


def _predict_valid(config: RuleConfig, run: SavedRun) -> tuple[Floats, Labels]:
    """Predict the run's own valid split, on which threshold and calibration are fitted.

    Args:
        config: the config of the command.
        run: the network.

    Returns:
        Log-odds and labels, (N,) each.
    """
    data = match_run(run, run.config.data, None)
    batch_size = config.data.batch_size or data.batch_size
    num_workers = config.data.num_workers
    if num_workers is None:
        num_workers = data.num_workers
    valid = open_split(data, run.config.splits, run.config.seed, "valid")
    assert valid.labels is not None
    crop = crop_for_split(run.config, "valid")
    logit = predict_source(
        run.model, valid, crop, batch_size, num_workers, config.tta, data.worker_timeout
    )
    return logit, valid.labels


def _choose_threshold(config: RuleConfig, logit: Floats, label: Labels) -> DecisionRule:
    """Return the rule that the config asks for, from the predictions of valid.

    Args:
        config: the config of the command.
        logit: (N,), of valid.
        label: (N,), of valid.
    """
    if config.threshold == "youden":
        chosen = youden(logit, label)
        reason = "the largest sensitivity + specificity"
    elif config.threshold == "sensitivity":
        chosen = at_sensitivity(logit, label, config.sensitivity)
        reason = f"a sensitivity of {config.sensitivity:g}"
    else:
        return DecisionRule.fixed(float(config.threshold))
    threshold = float(expit(chosen))
    shown = f"threshold {threshold:.4f}"
    if f"{threshold:.4f}" in ("0.0000", "1.0000"):
        shown += f" (log-odds {chosen:.4g})"
    return DecisionRule(chosen, threshold, f"{shown}, for {reason} on the run's valid")


def reject_fitting_on_the_evaluated_split(config: EvaluateConfig) -> None:
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
