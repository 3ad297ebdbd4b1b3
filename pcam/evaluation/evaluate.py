"""What a trained network is worth on a split, and what it says of patches nobody has labelled."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcam.config.tables import check
from pcam.data.base import PatchSource, describe_source
from pcam.data.sources.kaggle import read_labels, submission
from pcam.errors import ConfigError, DataError, suggest
from pcam.evaluation import plots
from pcam.evaluation.compare import bootstrap_settings
from pcam.evaluation.inference import open_run, open_split, predict_probabilities, resolve_data
from pcam.models.classifier import PatchClassifier
from pcam.runs.files import write_csv, write_file, write_json
from pcam.runs.folder import Config, network_label
from pcam.runs.predictions import write_predictions
from pcam.runs.provenance import code_commit, library_versions
from pcam.stats.calibration import fit_temperature, logit, apply_temperature
from pcam.stats.curves import operating_curves, reliability
from pcam.stats.formatting import format_facts, format_metrics
from pcam.stats.intervals import METHOD, bootstrap_metrics, unit
from pcam.stats.thresholds import at_sensitivity, youden

CALIBRATIONS = ("none", "temperature")


@dataclass(frozen=True)
class Rule:
    """How a probability is read: decided on valid, or by a person, before the split is looked at.

    Attributes:
        threshold: from which a patch is called positive.
        chosen: how that was decided, for a person.
        temperature: by which the logits are divided; 1 leaves them.
        note: what was out of the ordinary in fitting it.
    """

    threshold: float
    chosen: str
    temperature: float
    note: str


def evaluate(config: Config, folder: Path) -> dict[str, Any]:
    """Score a split of a run; write and print its figures with their intervals.

    Args:
        config: the door's.
        folder: to leave summary.json, predictions and figures in.

    Returns:
        What summary.json holds.

    Raises:
        PcamError: the run, the data or a setting cannot be used.
    """
    _checked(config)
    run, split = Path(config["run"]), config["split"]
    saved, model = open_run(run)
    data, splits = resolve_data(saved, config)
    source = open_split(data, splits, config["seed"], split)
    if source.labels is None:
        raise DataError(
            f"split={split}: these patches have no labels to measure by; python -m pcam.predict run={run}"
        )
    facts = [
        ("run", f"{run}: {network_label(saved)}, weights {model.began_as()}"),
        (split, f"{data['name']}: {describe_source(source)}"),
        ("tta", config["tta"]),
    ]
    print(format_facts(facts), flush=True)
    rule = _rule(config, saved, model)
    probability = apply_temperature(
        predict_probabilities(model, source, saved, data, split, config["tta"]), rule.temperature
    )
    scale = saved.get("scale", "full")
    told: dict[str, Any] = {
        "threshold": rule.threshold,
        "seed": config["seed"],
        "resamples": config["resamples"],
    }
    figures = bootstrap_metrics(probability, source.labels, source.groups, **told)
    over = unit(source.groups)
    summary = {
        split: figures,
        "run": str(run),
        "scale": scale,
        "tta": config["tta"],
        "threshold": {"value": rule.threshold, "chosen": rule.chosen},
        "temperature": rule.temperature,
        "intervals": {
            "level": 0.95,
            "over": over,
            "method": METHOD,
            "resamples": config["resamples"],
        },
        "data": {
            "name": data["name"],
            "patches": len(source),
            "positive": int(source.labels.sum()),
        },
        "versions": library_versions(),
        "commit": code_commit(),
    }
    write_predictions(folder, split, source.ids, source.labels, probability, source.groups)
    title = f"{network_label(saved)} on {data['name']}, {split}: {describe_source(source)}"
    _draw(folder, title, data["name"], source, probability, rule.threshold, figures, config)
    write_json(folder / "summary.json", summary)
    print("\n" + format_metrics(split, describe_source(source, scale), figures, over, rule.chosen))
    if rule.temperature != 1:
        print(
            f"  logits divided by {rule.temperature:.3f}, fitted on valid{f' ({rule.note})' if rule.note else ''}"
        )
    print(f"\n{folder}", flush=True)
    return summary


def predict(config: Config, folder: Path) -> None:
    """Score patches, labelled or not; write predictions/SPLIT.csv and, for Kaggle's unlabelled folder, submission.csv."""
    run = Path(config["run"])
    saved, model = open_run(run)
    data, splits = resolve_data(saved, config)
    split = config["split"] or ("predict" if data["name"] == "kaggle" else "test")
    source = open_split(data, splits, config["seed"], split)
    facts = [
        ("run", f"{run}: {network_label(saved)}"),
        (split, f"{data['name']}: {describe_source(source)}"),
        ("tta", config["tta"]),
    ]
    print(format_facts(facts), flush=True)
    labels = source.labels if config["labels"] is None else _labels(Path(config["labels"]), source)
    probability = predict_probabilities(model, source, saved, data, split, config["tta"])
    write_predictions(folder, split, source.ids, labels, probability, source.groups)
    print(f"\n{folder / 'predictions' / f'{split}.csv'}")
    if split == "predict":
        rows = submission(Path(data["root"]), source.ids, probability, config["submit"])
        write_csv(folder / "submission.csv", ("id", "label"), rows)
        print(folder / "submission.csv")
    if labels is not None:
        figures = bootstrap_metrics(probability, labels, source.groups)
        print(
            "\n"
            + format_metrics(
                split,
                describe_source(source, saved.get("scale", "full")),
                figures,
                unit(source.groups),
            )
        )


def _checked(config: Config) -> None:
    bootstrap_settings(config)
    if config["calibration"] not in CALIBRATIONS:
        raise ConfigError(
            f"calibration={config['calibration']} is not known{suggest(str(config['calibration']), CALIBRATIONS)}"
        )
    threshold = config["threshold"]
    known = ("youden", "sensitivity")
    if isinstance(threshold, str) and threshold not in known:
        raise ConfigError(
            f"threshold={threshold} is not known; it is a number, or{suggest(threshold, known).removeprefix(';')}"
        )
    if not isinstance(threshold, str):
        check(threshold, float, "threshold")
        if not 0 <= threshold <= 1:
            raise ConfigError(f"threshold={threshold} is no probability; it is from 0 to 1")
    check(config["sensitivity"], float, "sensitivity")
    if not 0 < config["sensitivity"] <= 1:
        raise ConfigError(f"sensitivity={config['sensitivity']} is not in (0, 1]")
    if config["split"] == "valid" and (
        config["calibration"] != "none" or isinstance(threshold, str)
    ):
        raise ConfigError(
            "split=valid: threshold and calibration are fitted on valid, so its figures would flatter; split=test"
        )


def _rule(config: Config, saved: Config, model: PatchClassifier) -> Rule:
    """Decide threshold and temperature, on the run's own valid split where they are to be fitted."""
    threshold, chosen = config["threshold"], f"threshold {config['threshold']}"
    temperature, note = 1.0, ""
    if config["calibration"] == "none" and not isinstance(threshold, str):
        return Rule(float(threshold), chosen, temperature, note)
    data, splits = {**saved["data"]}, saved["splits"]
    for key in ("batch_size", "num_workers"):
        data[key] = config["data"][key] if config["data"][key] is not None else data[key]
    valid = open_split(data, splits, saved["seed"], "valid")
    assert valid.labels is not None
    probability = predict_probabilities(model, valid, saved, data, "valid", config["tta"])
    if config["calibration"] == "temperature":
        fitted = fit_temperature(logit(probability), valid.labels)
        temperature, note = fitted.value, fitted.note
        probability = apply_temperature(probability, temperature)
    if threshold == "youden":
        threshold = youden(probability, valid.labels)
        chosen = f"threshold {threshold:.4f}, of the largest sensitivity + specificity on the run's valid"
    elif threshold == "sensitivity":
        threshold = at_sensitivity(probability, valid.labels, config["sensitivity"])
        chosen = f"threshold {threshold:.4f}, for a sensitivity of {config['sensitivity']:g} on the run's valid"
    if np.isnan(threshold):
        raise DataError(
            "valid holds one class alone: no threshold can be chosen on it; threshold=0.5"
        )
    return Rule(float(threshold), chosen, temperature, note)


def _labels(path: Path, source: PatchSource) -> NDArray[np.uint8]:
    """Return the labels that a csv of id and label gives to a source's patches."""
    known = read_labels(path, "it is a csv of id and label (labels)")
    without = [name for name in source.ids if name not in known]
    if without:
        raise DataError(
            f"labels={path} lacks {len(without)} of {len(source)} patches, first {without[0]}"
        )
    return np.array([known[name] for name in source.ids], np.uint8)


def _draw(
    folder: Path,
    title: str,
    data_name: str,
    source: PatchSource,
    probability: NDArray[np.float64],
    threshold: float,
    figures: Mapping[str, Mapping[str, float]],
    config: Config,
) -> None:
    label = source.labels
    assert label is not None
    drawn = {"resamples": config["resamples"], "seed": config["seed"]}
    if 0 < label.sum() < len(label):
        curves = operating_curves(probability, label, source.groups, **drawn)
        bins = reliability(probability, label, source.groups, **drawn)
        picture = plots.overview(title, probability, label, threshold, figures, curves, bins)
        write_file(folder / "figures" / "evaluation.png", picture)
    else:
        print("  these patches are of one class alone: no curves are drawn")
    wrong = np.flatnonzero((probability >= threshold) != (label == 1))
    worst = wrong[np.argsort(-np.abs(probability[wrong] - label[wrong]), kind="stable")][
        : plots.MISTAKES
    ]
    if len(worst):
        captions = [
            f"{source.ids[i]}\nis {label[i]}, probability {probability[i]:.3f}" for i in worst
        ]
        square = (
            32 if data_name in ("pcam", "kaggle", "synthetic") else None
        )  # what PatchCamelyon's label depends on
        write_file(
            folder / "figures" / "mistakes.png",
            plots.mistakes(source.read(worst), captions, square),
        )
