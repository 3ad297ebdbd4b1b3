"""Several networks combined into one classifier."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import expit

from pcam.config.schema import EnsembleConfig
from pcam.data.sources.kaggle import submission_rows
from pcam.errors import AccessError, ConfigError, DataError
from pcam.evaluation.alignment import (
    AlignedPredictions,
    align_predictions,
    warn_about_equal_members,
)
from pcam.evaluation.ensemble_scores import EnsembleScores, score_ensemble
from pcam.evaluation.predictions import find_predictions, read_predictions
from pcam.evaluation.submission import submission_scores
from pcam.stats import votes
from pcam.stats.metrics import Floats


@dataclass(frozen=True)
class Ensemble:
    """Several networks combined by each rule.

    Attributes:
        split: name of the split.
        members: the members' names.
        rule: the rule whose predictions are written.
        predictions: ids, label and slides of the patches, and the members' log-odds.
        logit: float64 (N,), log-odds by ``rule`` (``stats.votes``).
        weights: member to weight, fitted on valid; None if they could not be fitted.
        note: why no weights were fitted, or "".
        scores: None if the patches have no labels.
        submission: rows (id, value) of Kaggle's file; None if not asked for.
        resamples: number of bootstrap resamples.
        seed: of the bootstrap.
    """

    split: str
    members: list[str]
    rule: str
    predictions: AlignedPredictions
    logit: Floats
    weights: dict[str, float] | None
    note: str
    scores: EnsembleScores | None
    submission: list[tuple[str, str]] | None
    resamples: int
    seed: int

    @property
    def probability(self) -> Floats:
        """The probability of the positive class by ``rule``, float64 (N,)."""
        return np.asarray(expit(self.logit))


def ensemble(config: EnsembleConfig) -> Ensemble:
    """Combine members by each rule and compare each rule with the best member.

    Weights are fitted on valid if every member has predictions of it. The best member is the one
    with the highest AUROC on valid, so that the choice does not favour it; without predictions of
    valid it is chosen on the split itself.

    Args:
        config: the config of ``pcam.ensemble``.

    Raises:
        ConfigError: fewer than two members, or weights are to be judged on valid.
        RunError: a folder has no predictions of the split.
        DataError: the predictions are of different patches, or weights cannot be fitted.
    """
    if config.rule == "weighted" and config.split == "valid":
        raise ConfigError(
            "rule=weighted split=valid: weights are fitted on valid, so they cannot be judged on "
            "it; split=test"
        )
    paths = find_predictions(config.runs, config.split)
    found = _read_members(paths)
    valid, note = None, ""
    if config.split != "valid":
        valid, note = _read_valid(paths)
    weights = _fit_weights(valid)
    if config.rule == "weighted" and weights is None:
        raise DataError(
            "rule=weighted: weights are fitted on valid, and not every member has "
            "predictions/valid.csv with labels"
        )
    combined = _combine(found.logit, weights)
    logit = combined[config.rule]
    scores = None
    if found.label is not None:
        scores = score_ensemble(found, combined, valid, config.resamples, config.seed)
    rows = None
    if config.kaggle is not None:
        submitted = submission_scores(logit, "probability")
        rows = submission_rows(Path(config.kaggle), found.ids, submitted, "probability")
    return Ensemble(
        split=config.split,
        members=found.names,
        rule=config.rule,
        predictions=found,
        logit=logit,
        weights=_name_weights(found.names, weights),
        note=note,
        scores=scores,
        submission=rows,
        resamples=config.resamples,
        seed=config.seed,
    )


def _read_members(paths: Sequence[Path]) -> AlignedPredictions:
    """Read the members' predictions and warn about equal ones.

    Args:
        paths: one csv file of each member.

    Raises:
        ConfigError: fewer than two members.
        DataError: the predictions are of different patches.
    """
    if len(paths) < 2:
        raise ConfigError(f"runs: an ensemble needs at least two members; only {paths[0]} is given")
    found = align_predictions([read_predictions(path) for path in paths])
    warn_about_equal_members(found)
    return found


def _read_valid(paths: Sequence[Path]) -> tuple[AlignedPredictions | None, str]:
    """Read the members' predictions of valid.

    Args:
        paths: the members' predictions of the split that is evaluated.

    Returns:
        The predictions and "". None if a member has no such file; None and the reason if the
        files do not fit together.
    """
    files = [path.with_name("valid.csv") for path in paths]
    missing = [file for file in files if not file.is_file()]
    if missing:
        return None, ""
    try:
        valid = align_predictions([read_predictions(file) for file in files])
    except (AccessError, DataError) as error:
        return None, f"no weights are fitted: {error}"
    return valid, ""


def _fit_weights(valid: AlignedPredictions | None) -> Floats | None:
    """Return the members' weights (M,), fitted on valid; None without its labels."""
    if valid is None or valid.label is None:
        return None
    return votes.fit_weights(valid.logit, valid.label)


def _name_weights(names: Sequence[str], weights: Floats | None) -> dict[str, float] | None:
    if weights is None:
        return None
    return dict(zip(names, weights.tolist(), strict=True))


def _combine(members: Floats, weights: Floats | None) -> dict[str, Floats]:
    """Combine the members by each rule.

    Args:
        members: log-odds (M, N).
        weights: (M,), of the rule "weighted"; None leaves it out.

    Returns:
        Rule to log-odds (N,).
    """
    combined = {}
    for name, rule in votes.RULES.items():
        combined[name] = rule(members)
    if weights is not None:
        combined["weighted"] = votes.weighted_mean(members, weights)
    return combined
