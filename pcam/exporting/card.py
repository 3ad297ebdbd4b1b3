"""A model card: what a person must know who is given an exported network."""

import json
import math
from collections.abc import Mapping

from pcam.data.crop import describe_crop
from pcam.data.provider import source_provider
from pcam.exporting.export import Export
from pcam.exporting.loading_code import loading_code
from pcam.exporting.timm_folder import BACKBONE, HEAD
from pcam.reporting.markdown import render_markdown
from pcam.reporting.page import Part, Section, Table, Text
from pcam.runs.trees import JsonObject
from pcam.stats.formatting import (
    format_difference,
    format_interval,
    format_number,
    pluralize,
)

TITLES = {
    "auroc": "AUROC",
    "average_precision": "average precision",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ece": "calibration error",
}
LIBRARIES = {  # the hub's names of what loads a format
    "onnx": "onnx",
    "torchscript": "pytorch",
    "torch": "pytorch",
    "safetensors": "timm",
}
LIMITS = (
    "It is a research network. It is not a medical device and must not be used for a diagnosis.",
    "Its figures hold for patches of the same resolution, staining and kind of tissue as the "
    "training data. On slides of another laboratory or scanner it must be evaluated first.",
    "It classifies any picture: a patch without tissue, out of focus or of another organ also gets "
    "a probability.",
)


def model_card(export: Export, license_name: str | None) -> str:
    """Return a model card as Markdown, with the lines that the Hugging Face hub reads.

    Args:
        export: the exported network.
        license_name: of the weights, as the hub names it; None if it is not stated.
    """
    run = export.run
    summary = export.summary
    positive = _positive(export)
    height, width = export.size
    lead: list[Part] = [
        Text(
            f"{run.label} classifies histopathology patches of {width}x{height} pixels: it returns "
            f"the probability of {positive}."
        ),
        Table(("", ""), _facts(export, summary)),
    ]
    sections = [
        Section("How to load it", loading_code(export)),
        Section("How good it is", _figures(summary)),
        Section("How robust it is", _robustness(export)),
        Section("Threshold and calibration", _decision(export)),
        Section("Data", _data(export, summary)),
        Section("Training", _training(export, summary)),
        Section("What it is not for", [Text(limit) for limit in LIMITS]),
    ]
    front_matter = _front_matter(LIBRARIES[export.format], license_name)
    return front_matter + render_markdown(run.label, lead, sections)


def _front_matter(library: str, license_name: str | None) -> str:
    """Return what the hub reads, YAML between two lines; JSON's strings are YAML's too."""
    lines = ["---", f"library_name: {library}", "pipeline_tag: image-classification"]
    if license_name is not None:
        lines.append(f"license: {json.dumps(license_name)}")
    lines += ["tags:", "- histopathology", "- pcam", "---", "", ""]
    return "\n".join(lines)


def _positive(export: Export) -> str:
    classes = export.run.classes
    return "the positive class" if classes is None else f"the class {classes[1]}"


def _facts(export: Export, summary: JsonObject) -> list[tuple[str, str]]:
    """Return names and values of what the network is."""
    height, width = export.size
    counts = export.run.model.network.count_parameters()
    facts = [
        ("patches", f"uint8 (N, 3, {height}, {width}), red, green, blue"),
        _answer(export),
        _steps(export),
        ("parameters", f"{sum(counts.values()):,}"),
        ("first weights", _first_weights(export)),
        ("checked", _what_is_checked(export)),
    ]
    if export.quantized is not None:
        cost = format_interval(export.quantized.difference, form="+.4f")
        largest = f"a patch's probability by at most {export.quantized.largest:.3f}"
        facts.append((export.quantized.file.name, f"AUROC on valid changes by {cost}, {largest}"))
    return facts


def _first_weights(export: Export) -> str:
    """Return what the backbone was initialised with; why it is random matters to nobody else."""
    origin = export.run.model.weights_origin
    if origin is None:
        return "unknown"
    return str(origin) if origin.pretrained else origin.origin


def _steps(export: Export) -> tuple[str, str]:
    """Return what happens from a patch to its probability, and whether the file does it."""
    network = export.run.model.network
    steps = [describe_crop(export.crop)] if export.crop.mode != "none" else []
    steps.append("scaling to [0, 1] and normalisation")
    if network.input_size is not None:
        steps.append(f"resize to {network.input_size} pixels")
    if export.format == "safetensors":
        after = ["pooling", HEAD, "the logistic function"]
        return "to do by hand", ", ".join([*steps, f"then {BACKBONE}", *after])
    temperature = export.rule.temperature
    after = [f"temperature {format_number(temperature)}"] if temperature != 1 else []
    return "inside", ", ".join([*steps, "network", *after])


def _answer(export: Export) -> tuple[str, str]:
    """Return what comes out, and of which form."""
    classes = export.run.classes or ("negative", "positive")
    answer = f"probability of {classes[1]}, float32 (N,); the other class is {classes[0]}"
    if export.format != "safetensors":
        return "answer", answer
    return "answer", f"{BACKBONE}: features; with {HEAD}, by the code below: {answer}"


def _what_is_checked(export: Export) -> str:
    return (
        f"answers for {pluralize(export.agreement.patches, 'patch')} of valid differ by "
        f"{export.agreement.describe()} from those of the trained network"
    )


def _figures(summary: JsonObject) -> list[Part]:
    """Return the metrics of the training's splits with their intervals."""
    splits = [name for name in ("valid", "test") if isinstance(summary.get(name), dict)]
    if not splits:
        return [Text("The run has no summary, so its figures are not known.", "notice")]
    rows = []
    for key, title in TITLES.items():
        metrics = [summary[name].get(key) for name in splits]
        if all(isinstance(metric, dict) and metric["value"] is not None for metric in metrics):
            rows.append((title, *[format_interval(_numbers(metric)) for metric in metrics]))
    over = summary.get("intervals", {}).get("over") or "patches"
    note = (
        f"95 % intervals by a bootstrap over {over}; threshold 0.5, without calibration. "
        "Figures of another threshold or of a temperature are those of pcam.evaluate with the same "
        "settings."
    )
    return [Table(("", *splits), rows), Text(note, "soft")]


def _numbers(metric: Mapping[str, float | None]) -> dict[str, float]:
    """Return a figure of summary.json, where null stands for what is not defined, as numbers."""
    return {name: math.nan if value is None else value for name, value in metric.items()}


def _robustness(export: Export) -> list[Part]:
    """Return how answers change with what a diagnosis does not depend on."""
    if not export.robustness:
        return [Text("It was not measured: robustness=0.", "notice")]
    rows = [
        (row.change, format_interval(row.called_otherwise), format_difference(row.auroc))
        for row in export.robustness
    ]
    count = round(export.robustness[0].called_otherwise["patches"])
    note = (
        f"{count} patches of valid, changed as each row says and compared with the same patches "
        "unchanged; the threshold is the one below. 95 % intervals by a bootstrap over "
        f"{export.robustness_units}. A label can depend on the middle of a patch, so a shift may "
        "also change what is right."
    )
    head = ("change", "called otherwise, share", "AUROC changes by")
    return [Table(head, rows), Text(note, "soft")]


def _decision(export: Export) -> list[Part]:
    rule = export.rule
    calibrated = "Probabilities are not calibrated."
    if rule.temperature != 1:
        calibrated = (
            f"Log-odds are divided by {format_number(rule.temperature)}, a temperature that was "
            "fitted on the valid split."
        )
    threshold = f"{_positive(export)} is called from a probability of {rule.threshold:.4g} on"
    return [Text(f"{threshold[0].upper()}{threshold[1:]} ({rule.description})."), Text(calibrated)]


def _data(export: Export, summary: JsonObject) -> list[Part]:
    """Return the splits with their sizes and digests."""
    name = export.run.config.data.name
    data = summary.get("data", {})
    rows = [
        (split, f"{content['patches']:,}", f"{content['positive']:,}", content.get("sha256") or "")
        for split, content in data.items()
    ]
    about = source_provider(export.run.config.data).description
    source = f"{name}. {about or 'Resolution and licence are those of its publisher.'}"
    parts: list[Part] = [Text(f"Source: {source}")]
    if rows:
        parts.append(Table(("split", "patches", "positive", "SHA-256"), rows))
    return parts


def _training(export: Export, summary: JsonObject) -> list[Part]:
    """Return how the network was trained, and with what."""
    config = export.run.config
    rows = [
        ("augmentation", config.aug.name),
        ("fine-tuning", config.finetune.name),
        ("loss", config.loss.name),
        ("optimizer", config.optimizer.name),
        ("epochs", f"{config.trainer.max_epochs}, best {summary.get('best_epoch', 'unknown')}"),
        ("seed", str(config.seed)),
        ("scale", config.scale),
    ]
    rows += [(name, version) for name, version in summary.get("versions", {}).items()]
    return [Table(("", ""), rows)]
