"""Several networks on the same patches, made one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pcam.config.tables import look_up
from pcam.data.sources.kaggle import submission
from pcam.errors import ConfigError, DataError
from pcam.evaluation.compare import FIGURES, bootstrap_settings
from pcam.evaluation.predictions import (
    AlignedPredictions,
    align_predictions,
    find_predictions,
    read_predictions,
)
from pcam.runs.files import write_csv, write_json
from pcam.runs.folder import Config
from pcam.runs.predictions import write_predictions
from pcam.stats import votes
from pcam.stats.compare import holm, paired_difference
from pcam.stats.formatting import (
    format_difference,
    format_interval,
    format_number,
    format_p_value,
    format_table,
)
from pcam.stats.intervals import bootstrap_metrics, unit
from pcam.stats.metrics import Floats, classification_metrics


def ensemble(config: Config, folder: Path) -> dict[str, Any] | None:
    """Combine members by each rule; print one table, write predictions of ``config["rule"]``.

    Weights are fitted on valid where every member has predictions of it. The best member is the one with the highest AUROC
    on valid, so that choosing it does not flatter it; without valid it is chosen on the split, and that is said.

    Returns:
        What summary.json holds; None where the patches have no labels.
    """
    resamples = bootstrap_settings(config)
    look_up({**votes.RULES, "weighted": None}, config["rule"], "rule")
    split = config["split"]
    paths = find_predictions(config["runs"], split)
    if len(paths) < 2:
        raise ConfigError(f"runs: an ensemble has at least two members, there is {paths[0]}")
    found = align_predictions([read_predictions(path) for path in paths])
    valid = _valid(paths) if split != "valid" else None
    weights = (
        None
        if valid is None or valid.label is None
        else votes.fit_weights(valid.probability, valid.label)
    )
    if config["rule"] == "weighted" and split == "valid":
        raise ConfigError(
            "rule=weighted split=valid: weights are fitted on valid, so they cannot be judged on it; split=test"
        )
    if config["rule"] == "weighted" and weights is None:
        raise DataError(
            "rule=weighted: weights are fitted on valid, and not every member has predictions/valid.csv with labels"
        )
    scores = {name: combine(found.probability) for name, combine in votes.RULES.items()}
    if weights is not None:
        scores["weighted"] = votes.weighted_mean(found.probability, weights)
    write_predictions(folder, split, found.ids, found.label, scores[config["rule"]], found.slides)
    summary = None
    if found.label is not None:
        summary = _measured(found, scores, valid, weights, resamples)
        write_json(folder / "summary.json", summary)
        print(_ensemble_table(found, summary, split))
    print(f"\n{folder / 'predictions' / f'{split}.csv'}: {config['rule']} of {len(paths)} members")
    if config["kaggle"] is not None:
        rows = submission(Path(config["kaggle"]), found.ids, scores[config["rule"]], "probability")
        write_csv(folder / "submission.csv", ("id", "label"), rows)
        print(folder / "submission.csv")
    return summary


def _valid(paths: Sequence[Path]) -> AlignedPredictions | None:
    """Return the members' predictions of valid, if all have them."""
    beside = [path.with_name("valid.csv") for path in paths]
    if not all(path.is_file() for path in beside):
        return None
    try:
        return align_predictions([read_predictions(path) for path in beside])
    except DataError as error:
        print(f"no weights are fitted: {error}")
        return None


def _measured(
    found: AlignedPredictions,
    scores: Mapping[str, Floats],
    valid: AlignedPredictions | None,
    weights: Floats | None,
    resamples: Mapping[str, Any],
) -> dict[str, Any]:
    label, slides = found.label, found.slides
    assert label is not None
    on = valid if valid is not None and valid.label is not None else found
    assert on.label is not None
    ranked = [
        classification_metrics(row, on.label, metrics=["auroc"])["auroc"] for row in on.probability
    ]
    best = int(np.nanargmax(ranked)) if not np.isnan(ranked).all() else 0
    each = dict(zip(found.names, found.probability, strict=True)) | dict(scores)
    rows: dict[str, dict[str, Any]] = {}
    for name, score in each.items():
        figures = bootstrap_metrics(score, label, slides, metrics=FIGURES, **resamples)
        hard = classification_metrics((score >= 0.5).astype(np.float64), label, metrics=["auroc"])[
            "auroc"
        ]
        rows[name] = {**figures, "auroc_of_hard_labels": hard}
        if name != found.names[best]:
            against = paired_difference(
                score, found.probability[best], label, slides, metrics=["auroc"], **resamples
            )
            rows[name]["difference"] = against["auroc"]
    rules = [name for name in scores if "difference" in rows[name]]
    for name, p in zip(rules, holm([rows[name]["difference"]["p"] for name in rules]), strict=True):
        rows[name]["difference"]["p_holm"] = p
    return {
        "rows": rows,
        "members": found.names,
        "best_member": found.names[best],
        "best_by": "valid" if on is valid else "this split",
        "weights": None
        if weights is None
        else dict(zip(found.names, weights.tolist(), strict=True)),
        "over": unit(slides),
        "patches": len(label),
        **resamples,
    }


def _ensemble_table(found: AlignedPredictions, summary: Mapping[str, Any], split: str) -> str:
    best = summary["best_member"]
    head = ["", "AUROC", "accuracy", "AUROC of 0/1", f"AUROC less {best}'s", "p (Holm)"]
    lines = []
    for name, row in summary["rows"].items():
        difference = row.get("difference")
        p = "" if difference is None else format_p_value(difference.get("p_holm", difference["p"]))
        told = "the best member" if difference is None else format_difference(difference)
        mine = name in summary["members"]
        cells = [
            format_interval(row["auroc"]),
            format_interval(row["accuracy"]),
            format_number(row["auroc_of_hard_labels"]),
        ]
        lines.append(
            [name if mine else name.replace("_", " "), *cells, told, f"{p} *" if mine and p else p]
        )
    notes = [
        f"{split}: {summary['patches']:,} patches; threshold 0.5",
        f"95 % intervals and p: paired bootstrap over {summary['over']}",
        f"the best member is chosen by {summary['best_by']}'s AUROC"
        + ("" if summary["best_by"] == "valid" else ": that flatters it a little"),
        "rank mean is no probability: its accuracy calls the upper half of the ranks positive",
        "AUROC of 0/1: what a board gives to hard labels; it is balanced accuracy, the ranking is lost",
    ]
    if any("difference" in summary["rows"][name] for name in summary["members"]):
        notes.append("* of members not corrected for their number; python -m pcam.compare does")
    if summary["weights"] is not None:
        told = ", ".join(f"{name} {weight:.2f}" for name, weight in summary["weights"].items())
        notes.append(f"weights fitted on valid: {told}")
    return "\n".join([format_table(head, lines), *(f"  {note}" for note in notes)])
