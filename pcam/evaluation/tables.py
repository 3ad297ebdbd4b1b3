"""Text for evaluations, predictions, comparisons and ensembles."""

from collections.abc import Sequence

from pcam.data.base import describe_source
from pcam.evaluation.compare import Comparison
from pcam.evaluation.ensemble import Ensemble
from pcam.evaluation.ensemble_scores import EnsembleScores, ScoreRow
from pcam.evaluation.evaluate import Evaluation
from pcam.evaluation.pairs import COMPARED_METRICS, TestedPair
from pcam.evaluation.predict import Prediction
from pcam.stats.formatting import (
    format_difference,
    format_facts,
    format_interval,
    format_metrics,
    format_number,
    format_p_value,
    format_table,
)
from pcam.stats.intervals import unit

METRIC_HEAD = ["", "AUROC", "accuracy"]
PAIR_HEAD = ["first", "second", "AUROC", "p (Holm)", "accuracy", "p (Holm)"]
OVER_PATCHES_HEAD = ["DeLong p (Holm)", "McNemar p (Holm)"]


def format_evaluation(evaluation: Evaluation) -> str:
    """Return what was evaluated, and the table of metrics."""
    rule = evaluation.rule
    count = describe_source(evaluation.source, evaluation.classes)
    facts = [
        ("run", f"{evaluation.run}: {evaluation.network}, weights {evaluation.weights}"),
        (
            evaluation.split,
            f"{evaluation.data}: {count}",
        ),
        ("tta", evaluation.tta),
    ]
    table = format_metrics(
        evaluation.split,
        describe_source(evaluation.source, evaluation.classes, evaluation.scale),
        evaluation.metrics,
        unit(evaluation.source.groups),
        rule.description,
    )
    lines = [format_facts(facts), "", table]
    if rule.temperature != 1 or rule.note:
        note = f" ({rule.note})" if rule.note else ""
        lines.append(f"  logits divided by {rule.temperature:.3f}, fitted on valid{note}")
    if not evaluation.has_both_classes:
        lines.append("  these patches are of one class only: no curves are drawn")
    return "\n".join(lines)


def format_prediction(prediction: Prediction) -> str:
    """Return what was predicted, and the table of metrics if labels are known."""
    facts = [
        ("run", f"{prediction.run}: {prediction.network}"),
        (
            prediction.split,
            f"{prediction.data}: {describe_source(prediction.source, prediction.classes)}",
        ),
        ("probability", f"of {prediction.classes[1]}"),
        ("tta", prediction.tta),
    ]
    text = format_facts(facts)
    if prediction.metrics is None:
        return text
    table = format_metrics(
        prediction.split,
        describe_source(prediction.source, prediction.classes, prediction.scale),
        prediction.metrics,
        unit(prediction.source.groups),
    )
    return f"{text}\n\n{table}"


# Comparisons --------------------------------------------------------------------------------------


def format_comparison(comparison: Comparison) -> str:
    """Return the tables of a comparison: networks, pairs, and groups of seeds if there are any."""
    parts = [
        f"{comparison.split}: {comparison.patches:,} patches{_name_positive(comparison.positive)}",
        format_table(METRIC_HEAD, _run_rows(comparison)),
        "",
        f"differences, paired bootstrap over {comparison.unit}; accuracy at threshold 0.5",
        _format_pairs(comparison.pairs),
    ]
    if comparison.groups:
        parts += ["", *_format_groups(comparison)]
    return "\n".join(parts)


def _name_positive(positive: str | None) -> str:
    return "" if positive is None else f", positive class {positive}"


def _run_rows(comparison: Comparison) -> list[list[str]]:
    """Return the rows of the table of networks.

    Args:
        comparison: of two or more networks.

    Returns:
        Cells of the columns of ``METRIC_HEAD``.
    """
    rows = []
    for name, metrics in comparison.runs.items():
        cells = [format_interval(metrics[metric]) for metric in COMPARED_METRICS]
        rows.append([name, *cells])
    return rows


def _format_pairs(pairs: Sequence[TestedPair]) -> str:
    """Return the table of pairs; with DeLong and McNemar if they are tested.

    Args:
        pairs: at least one; all have the same tests, with corrected p.

    Returns:
        Markdown.
    """
    head = list(PAIR_HEAD)
    over_patches = "delong" in pairs[0].tests
    if over_patches:
        head += OVER_PATCHES_HEAD
    rows = []
    for pair in pairs:
        row = [pair.first, pair.second, *_pair_cells(pair)]
        if over_patches:
            row.append(format_p_value(pair.tests["delong"]["p_holm"]))
            row.append(format_p_value(pair.tests["mcnemar"]["p_holm"]))
        rows.append(row)
    return format_table(head, rows)


def _pair_cells(pair: TestedPair) -> list[str]:
    """Return the difference and p of each metric."""
    cells = []
    for metric in COMPARED_METRICS:
        test = pair.tests[metric]
        cells.append(format_difference(test))
        cells.append(format_p_value(test["p_holm"]))
    return cells


def _format_groups(comparison: Comparison) -> list[str]:
    """Return the groups of runs that differ only in their seed.

    Args:
        comparison: with at least one group.

    Returns:
        A title, the table of groups, and the table of pairs if there are several groups.
    """
    rows = []
    for group, metrics in comparison.group_metrics.items():
        row = [group]
        for name in COMPARED_METRICS:
            runs = metrics[name]
            row.append(f"{runs['mean']:.4f} ± {runs['sd']:.4f}")
        rows.append(row)
    table = format_table(METRIC_HEAD, rows)
    title = "over seeds: mean ± sd"
    if not comparison.group_pairs:
        return [title, table]
    title += "; differences by Welch's t (would other seeds reverse the order?)"
    return [title, table, _format_pairs(comparison.group_pairs)]


# Ensembles ----------------------------------------------------------------------------------------


def format_ensemble(result: Ensemble) -> str:
    """Return the table of members and rules; without labels only what could not be fitted.

    Args:
        result: of ``pcam.ensemble``.

    Returns:
        Lines of text; "" if there is nothing to say.
    """
    lines = []
    if result.note:
        lines.append(result.note)
    if result.scores is not None:
        lines.append(_format_scores(result, result.scores))
    return "\n".join(lines)


def _format_scores(result: Ensemble, scores: EnsembleScores) -> str:
    head = [
        "",
        "AUROC",
        "accuracy",
        "AUROC of hard labels",
        "difference of AUROC",
        "p (Holm)",
    ]
    rows = []
    for name, row in scores.rows.items():
        rows.append(_score_cells(name, row, is_member=name in result.members))
    notes = [f"  {note}" for note in _score_notes(result, scores)]
    return "\n".join([format_table(head, rows), *notes])


def _score_cells(name: str, row: ScoreRow, is_member: bool) -> list[str]:
    """Return the row of a member or rule; a member's p has a star, as it is not corrected."""
    title = name if is_member else name.replace("_", " ")
    difference, p = "the best member", ""
    if row.difference is not None:
        difference = format_difference(row.difference)
        p = format_p_value(row.difference.get("p_holm", row.difference["p"]))
    if p and is_member:
        p += " *"
    return [
        title,
        format_interval(row.metrics["auroc"]),
        format_interval(row.metrics["accuracy"]),
        format_number(row.auroc_of_hard_labels),
        difference,
        p,
    ]


def _score_notes(result: Ensemble, scores: EnsembleScores) -> list[str]:
    """Return what to know about the table of members and rules, a line each."""
    best = f"the best member is the one with the highest AUROC on {scores.best_by}"
    if scores.best_by != "valid":
        best += ", which is slightly too favourable to it"
    notes = [
        f"{result.split}: {len(result.predictions.ids):,} patches"
        f"{_name_positive(result.predictions.positive)}; threshold 0.5",
        f"95 % intervals and p: paired bootstrap over {scores.unit}",
        best,
        f"difference: AUROC minus that of the best member, {scores.best_member}",
        "rank mean is not a probability: its accuracy counts the upper half as positive",
        "AUROC of hard labels: their score on a leaderboard, which is balanced accuracy; "
        "the ranking is lost",
    ]
    compared = [name for name in result.members if scores.rows[name].difference is not None]
    if compared:
        notes.append("* not corrected for the number of members; python -m pcam.compare does so")
    if result.weights is not None:
        weights = [f"{name} {weight:.2f}" for name, weight in result.weights.items()]
        notes.append(f"weights fitted on valid: {', '.join(weights)}")
    return notes
