"""A model card: what a person must know who is given an exported network."""

import json
import math
from collections.abc import Mapping

from pcam.data.crop import describe_crop
from pcam.exporting.export import Export
from pcam.exporting.formats import INPUT
from pcam.exporting.timm_folder import BACKBONE, CONFIG, HEAD
from pcam.reporting.markdown import render_markdown
from pcam.reporting.page import Code, Part, Section, Table, Text
from pcam.runs.trees import JsonObject
from pcam.stats.formatting import format_difference, format_interval, format_number

TITLES = {
    "auroc": "AUROC",
    "average_precision": "average precision",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ece": "calibration error",
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
        Section("How to load it", _how_to_load(export)),
        Section("How good it is", _figures(summary)),
        Section("How robust it is", _robustness(export)),
        Section("Threshold and calibration", _decision(export)),
        Section("Data", _data(export, summary)),
        Section("Training", _training(export, summary)),
        Section("What it is not for", [Text(limit) for limit in LIMITS]),
    ]
    return _front_matter(license_name) + render_markdown(run.label, lead, sections)


def _front_matter(license_name: str | None) -> str:
    """Return what the hub reads, YAML between two lines; JSON's strings are YAML's too."""
    lines = ["---", "library_name: timm", "pipeline_tag: image-classification"]
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
    classes = export.run.classes or ("negative", "positive")
    counts = export.run.model.network.count_parameters()
    facts = [
        ("patches", f"uint8 (N, 3, {height}, {width}), red, green, blue"),
        ("answer", f"probability of {classes[1]}, float32 (N,); the other class is {classes[0]}"),
        _steps(export),
        ("parameters", f"{sum(counts.values()):,}"),
        ("first weights", export.run.model.describe_weights()),
        ("checked", _what_is_checked(export)),
    ]
    if export.quantized is not None:
        cost = format_interval(export.quantized.difference, form="+.4f")
        facts.append(("int8", f"AUROC on valid changes by {cost}"))
    return facts


def _steps(export: Export) -> tuple[str, str]:
    """Return what happens from a patch to its probability, and whether the file does it."""
    network = export.run.model.network
    before = [describe_crop(export.crop)] if export.crop.mode != "none" else []
    if network.input_size is not None:
        before.append(f"resize to {network.input_size} pixels")
    before.append("scaling to [0, 1] and normalisation")
    if export.format != "safetensors":
        temperature = export.rule.temperature
        after = [f"temperature {format_number(temperature)}"] if temperature != 1 else []
        return "inside", ", ".join([*before, "network", *after])
    return "to do by hand", ", ".join([*before, f"then {BACKBONE}", *_steps_after_backbone(export)])


def _steps_after_backbone(export: Export) -> list[str]:
    """Return what makes a probability of the features that timm's network returns."""
    pool = export.run.config.model.head.pool
    steps = [] if pool == "avg" else [f"pooling {pool} of its tokens or map"]
    steps.append(f"the layers of {HEAD}")
    last = list(export.run.model.network.head.parameters())[-1]
    if len(last) == 2:
        steps.append("the second output less the first")
    if export.rule.temperature != 1:
        steps.append(f"division by {format_number(export.rule.temperature)}")
    return [*steps, "the logistic function"]


def _what_is_checked(export: Export) -> str:
    return (
        f"answers for {export.agreement.patches} patches of valid differ by "
        f"{export.agreement.describe()} from those of the trained network"
    )


def _how_to_load(export: Export) -> list[Part]:
    """Return an example in Python."""
    height, width = export.size
    patches = f"patches = np.zeros((8, 3, {height}, {width}), np.uint8)  # yours"
    if export.format == "onnx":
        return [Code(_onnx_lines(patches), "python")]
    if export.format == "safetensors":
        return [
            Code(_timm_lines(), "python"),
            Text(
                f"{CONFIG} has the normalisation; {HEAD} holds the tensors of the head. What has "
                "to be done by hand is in the table above."
            ),
        ]
    load = "torch.jit.load('model.torchscript')"
    if export.format == "torch":
        load = "torch.export.load('model.pt2').module()"
    return [Code(_torch_lines(patches, load), "python")]


def _onnx_lines(patches: str) -> tuple[str, ...]:
    return (
        "import numpy as np",
        "import onnxruntime",
        patches,
        "session = onnxruntime.InferenceSession('model.onnx')",
        f"probability = session.run(['probability'], {{'{INPUT}': patches}})[0]",
    )


def _torch_lines(patches: str, load: str) -> tuple[str, ...]:
    return (
        "import numpy as np",
        "import torch",
        patches,
        f"network = {load}",
        "with torch.inference_mode():",
        "    probability = network(torch.from_numpy(patches))",
    )


def _timm_lines() -> tuple[str, ...]:
    return (
        "import timm",
        "backbone = timm.create_model('local-dir:FOLDER', pretrained=True).eval()",
        "settings = timm.data.resolve_model_data_config(backbone)",
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
    note = f"95 % intervals by a bootstrap over {over}; threshold 0.5, without calibration."
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
        "unchanged; the threshold is the one below. 95 % intervals by a bootstrap over slides or "
        "patches. A label can depend on the middle of a patch, so a shift may also change what is "
        "right."
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
    parts: list[Part] = [Text(f"Source: {name}. Its licence is that of its publisher.")]
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
