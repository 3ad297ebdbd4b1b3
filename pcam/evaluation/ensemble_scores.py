"""The members of an ensemble and its rules, compared with the best member."""

from dataclasses import dataclass

import numpy as np

from pcam.evaluation.alignment import AlignedPredictions
from pcam.evaluation.pairs import COMPARED_METRICS, add_corrected_p
from pcam.runs.ranking import rank
from pcam.stats.compare import paired_difference
from pcam.stats.intervals import Interval, bootstrap_metrics, unit
from pcam.stats.metrics import Floats, Labels, classification_metrics


@dataclass(frozen=True)
class ScoreRow:
    """The metrics of one member, or of the ensemble by one rule.

    Attributes:
        metrics: "auroc" and "accuracy" at threshold 0.5, with intervals.
        auroc_of_hard_labels: AUROC of the predictions 0 and 1, which is balanced accuracy.
        difference: AUROC minus the best member's, with "p", and for rules "p_holm"; None for the
            best member itself.
    """

    metrics: dict[str, Interval]
    auroc_of_hard_labels: float
    difference: dict[str, float] | None


@dataclass(frozen=True)
class EnsembleScores:
    """Members and rules on labelled patches.

    Attributes:
        rows: the members by name, then the rules by name.
        best_member: the member with the highest AUROC on ``best_by``.
        best_by: "valid", so that the choice does not favour it, or "this split" without valid.
        unit: what the bootstrap resamples: "slides" or "patches".
    """

    rows: dict[str, ScoreRow]
    best_member: str
    best_by: str
    unit: str


def score_ensemble(
    found: AlignedPredictions,
    combined: dict[str, Floats],
    valid: AlignedPredictions | None,
    resamples: int,
    seed: int,
) -> EnsembleScores:
    """Return the metrics of members and rules, and their differences from the best member.

    Args:
        found: the labelled predictions of the members.
        combined: rule to log-odds (N,).
        valid: the members' predictions of valid, to choose the best member on; None if unknown.
        resamples: number of bootstrap resamples.
        seed: of the bootstrap.
    """
    judged, best_by = found, "this split"
    if valid is not None and valid.label is not None:
        judged, best_by = valid, "valid"
    best = _best_member(judged)
    best_member = found.names[best]
    named = dict(zip(found.names, found.logit, strict=True)) | combined
    rows = {}
    for name, logit in named.items():
        reference = None if name == best_member else found.logit[best]
        rows[name] = _score_row(found, logit, reference, resamples, seed)
    rules = [rows[name].difference for name in combined]
    add_corrected_p([difference for difference in rules if difference is not None])
    return EnsembleScores(
        rows=rows,
        best_member=best_member,
        best_by=best_by,
        unit=unit(found.slides),
    )


def _best_member(predictions: AlignedPredictions) -> int:
    """Return the position of the member with the highest AUROC; of equals, the lowest NLL.

    Args:
        predictions: labelled, of the M members.

    Returns:
        A position from 0 to M - 1.
    """
    label = predictions.label
    assert label is not None
    ranks = []
    for member in predictions.logit:
        found = classification_metrics(member, label, metrics=["auroc", "nll"], log_odds=True)
        ranks.append(rank(found["auroc"], found["nll"]))
    return ranks.index(max(ranks))


def _score_row(
    found: AlignedPredictions,
    logit: Floats,
    reference: Floats | None,
    resamples: int,
    seed: int,
) -> ScoreRow:
    """Return the metrics of one member or rule.

    Args:
        found: the labelled predictions of all members.
        logit: (N,), of this member or rule.
        reference: (N,), of the best member, which it is compared with; None for that itself.
        resamples: number of bootstrap resamples.
        seed: of the bootstrap.
    """
    assert found.label is not None
    metrics = bootstrap_metrics(
        logit,
        found.label,
        found.slides,
        log_odds=True,
        metrics=COMPARED_METRICS,
        resamples=resamples,
        seed=seed,
    )
    hard_labels = (logit >= 0).astype(np.float64)
    difference = None
    if reference is not None:
        differences = paired_difference(
            logit,
            reference,
            found.label,
            found.slides,
            log_odds=True,
            metrics=["auroc"],
            resamples=resamples,
            seed=seed,
        )
        difference = differences["auroc"]
    return ScoreRow(metrics, _auroc(hard_labels, found.label), difference)


def _auroc(score: Floats, label: Labels) -> float:
    return classification_metrics(score, label, metrics=["auroc"])["auroc"]
