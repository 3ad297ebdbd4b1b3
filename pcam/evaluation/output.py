"""What evaluations, predictions, comparisons and ensembles leave in a folder."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pcam.evaluation.compare import Comparison
from pcam.evaluation.ensemble import Ensemble
from pcam.evaluation.ensemble_scores import EnsembleScores, ScoreRow
from pcam.evaluation.evaluate import Evaluation
from pcam.evaluation.pairs import TestedPair
from pcam.evaluation.plots import PICTURES, draw_evaluation
from pcam.evaluation.predict import Prediction
from pcam.runs.files import write_csv, write_file, write_json
from pcam.runs.predictions import write_predictions
from pcam.runs.provenance import code_commit, library_versions
from pcam.stats.intervals import METHOD, unit

Content = dict[str, object]
SUBMISSION_COLUMNS = ("id", "label")


def write_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Write predictions/SPLIT.csv, figures/ and summary.json.

    Figures of an earlier evaluation are deleted.
    """
    write_predictions(
        folder,
        evaluation.split,
        evaluation.source.ids,
        evaluation.label,
        evaluation.probability,
        evaluation.source.groups,
        evaluation.classes[1],
        evaluation.logit,
    )
    pictures = draw_evaluation(evaluation)
    for name in PICTURES:
        (folder / "figures" / name).unlink(missing_ok=True)
    for name, picture in pictures.items():
        write_file(folder / "figures" / name, picture)
    write_json(folder / "summary.json", summarize_evaluation(evaluation))


def summarize_evaluation(evaluation: Evaluation) -> Content:
    """Return the content of an evaluation's summary.json."""
    rule = evaluation.rule
    return {
        evaluation.split: evaluation.metrics,
        "run": str(evaluation.run),
        "scale": evaluation.scale,
        "tta": evaluation.tta,
        "classes": list(evaluation.classes),
        "threshold": {
            "value": rule.threshold,
            "logit": rule.logit if np.isfinite(rule.logit) else None,  # of 0 and 1 it is not
            "chosen": rule.description,
        },
        "temperature": rule.temperature,
        "intervals": {
            "level": 0.95,
            "over": unit(evaluation.source.groups),
            "method": METHOD,
            "resamples": evaluation.resamples,
        },
        "data": {
            "name": evaluation.data,
            "patches": len(evaluation.label),
            "positive": int(evaluation.label.sum()),
        },
        "versions": library_versions(),
        "commit": code_commit(),
    }


def write_prediction(prediction: Prediction, folder: Path) -> list[Path]:
    """Write predictions/SPLIT.csv and, if the source asks for one, submission.csv.

    Returns:
        The files.
    """
    write_predictions(
        folder,
        prediction.split,
        prediction.source.ids,
        prediction.label,
        prediction.probability,
        prediction.source.groups,
        prediction.classes[1],
        prediction.logit,
    )
    files = [folder / "predictions" / f"{prediction.split}.csv"]
    return files + _write_submission(prediction.submission, folder)


def write_comparison(comparison: Comparison, folder: Path) -> Path:
    """Write summary.json; return its path."""
    path = folder / "summary.json"
    write_json(path, summarize_comparison(comparison))
    return path


def summarize_comparison(comparison: Comparison) -> Content:
    """Return the content of a comparison's summary.json."""
    return {
        "split": comparison.split,
        "patches": comparison.patches,
        "positive": comparison.positive,
        "over": comparison.unit,
        "runs": comparison.runs,
        "pairs": [_summarize_pair(pair) for pair in comparison.pairs],
        "groups": comparison.groups,
        "seeds": {
            "groups": comparison.group_metrics,
            "pairs": [_summarize_pair(pair) for pair in comparison.group_pairs],
        },
        "resamples": comparison.resamples,
        "seed": comparison.seed,
    }


def _summarize_pair(pair: TestedPair) -> Content:
    """Return a pair as summary.json has it.

    Args:
        pair: of networks, or of groups of runs.
    """
    summary: Content = {"first": pair.first, "second": pair.second, **pair.tests}
    if pair.mcnemar_method is not None:
        summary["mcnemar"] = {**pair.tests["mcnemar"], "method": pair.mcnemar_method}
    return summary


def write_ensemble(result: Ensemble, folder: Path) -> list[Path]:
    """Write predictions/SPLIT.csv by the chosen rule, and what else there is.

    summary.json needs labels; submission.csv is written if it is asked for.

    Returns:
        The csv files.
    """
    found = result.predictions
    write_predictions(
        folder,
        result.split,
        found.ids,
        found.label,
        result.probability,
        found.slides,
        found.positive,
        result.logit if np.isfinite(result.logit).all() else None,
    )
    files = [folder / "predictions" / f"{result.split}.csv"]
    if result.scores is not None:
        write_json(folder / "summary.json", summarize_ensemble(result, result.scores))
    return files + _write_submission(result.submission, folder)


def summarize_ensemble(result: Ensemble, scores: EnsembleScores) -> Content:
    """Return the content of an ensemble's summary.json."""
    return {
        "rows": {name: _summarize_row(row) for name, row in scores.rows.items()},
        "members": result.members,
        "best_member": scores.best_member,
        "best_by": scores.best_by,
        "weights": result.weights,
        "positive": result.predictions.positive,
        "over": scores.unit,
        "patches": len(result.predictions.ids),
        "resamples": result.resamples,
        "seed": result.seed,
    }


def _summarize_row(row: ScoreRow) -> Content:
    """Return a member or rule as summary.json has it.

    Args:
        row: with a difference, unless it is the best member.
    """
    summary: Content = {**row.metrics, "auroc_of_hard_labels": row.auroc_of_hard_labels}
    if row.difference is not None:
        summary["difference"] = row.difference
    return summary


def _write_submission(rows: Sequence[tuple[str, str]] | None, folder: Path) -> list[Path]:
    """Write submission.csv; return its path, or nothing if there are no rows."""
    if rows is None:
        return []
    path = folder / "submission.csv"
    write_csv(path, SUBMISSION_COLUMNS, rows)
    return [path]
