"""Export a run: build the files, and compare them with the network they come from."""

import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pcam.config.schema import ExportConfig
from pcam.data.base import PatchSource
from pcam.data.crop import Crop
from pcam.data.sizes import patch_size
from pcam.errors import RunError
from pcam.evaluation.asked_split import match_run
from pcam.evaluation.decision import DecisionRule, choose_rule
from pcam.evaluation.inference import predict_source
from pcam.evaluation.saved_run import SavedRun, crop_for_split, open_run, open_split
from pcam.exporting.comparison import Agreement, compare_answers, refuse_other_answers
from pcam.exporting.formats import (
    BATCH,
    EXAMPLES,
    ExportedFile,
    Patches,
    export_onnx,
    export_program,
    export_torchscript,
    require_onnx,
)
from pcam.exporting.module import ExportedClassifier, Size
from pcam.exporting.quantization import Quantized, quantize_onnx
from pcam.exporting.robustness import Robustness, measure_robustness
from pcam.exporting.timm_folder import export_timm_folder
from pcam.runs.files import read_json
from pcam.runs.summary import validate_summary
from pcam.runs.trees import JsonObject
from pcam.stats.intervals import unit
from pcam.stats.metrics import Floats


@dataclass(frozen=True)
class Export:
    """A run's network in other files.

    Attributes:
        run: the run.
        summary: the training's; empty if it has not ended.
        format: onnx, safetensors, torchscript or torch.
        size: of the patches that the files take, pixels.
        crop: the part of each patch that the network sees.
        rule: threshold and temperature; the temperature is inside of the network.
        files: what is written.
        agreement: of the first file with the run's network, on patches of valid.
        quantized: an int8 version, and what it costs; None if it is not asked for.
        robustness: how answers change with the patches; empty if it is not asked for.
        robustness_units: what its intervals resample, slides or patches.
    """

    run: SavedRun
    summary: JsonObject
    format: str
    size: Size
    crop: Crop
    rule: DecisionRule
    files: tuple[ExportedFile, ...]
    agreement: Agreement
    quantized: Quantized | None
    robustness: list[Robustness]
    robustness_units: str

    @property
    def written(self) -> list[ExportedFile]:
        """All files of the network that are written."""
        return [*self.files, *([] if self.quantized is None else [self.quantized.file])]


def export(config: ExportConfig) -> Export:
    """Build the files of an exported network.

    Args:
        config: of ``pcam.export``.

    Raises:
        RunError: the folder holds no run, or its summary is damaged.
        ConfigError: the network or the format does not allow it, or packages are missing.
        DataError: the run's valid patches are gone, or a file gives other answers.
    """
    if config.format == "onnx":
        require_onnx()
    run = open_run(Path(config.run))
    summary = _read_summary(run.folder)
    rule = choose_rule(config, run)
    run.model.cpu()  # where the files are computed; the convolutions of a GPU round more
    valid = open_valid(run)
    size = patch_size(valid)
    module = build_module(run, size, rule)
    files = _build_files(module, config, run, size)
    first = np.arange(min(config.patches, len(valid)))
    patches = read_patches(valid, first)
    agreement = compare_answers(files[0], patches, _score_patches(run, rule, patches))
    refuse_other_answers(files[0].name, str(run.folder), agreement)
    quantized = None
    if config.quantize == "int8":
        quantized = quantize_onnx(files[0], valid, _scores_of_valid(run, valid, rule))
    robustness: list[Robustness] = []
    if config.robustness:
        robustness = measure_robustness(run, valid, rule, config.robustness)
    return Export(
        run=run,
        summary=summary,
        format=config.format,
        size=size,
        crop=crop_for_split(run.config, "test"),
        rule=rule,
        files=files,
        agreement=agreement,
        quantized=quantized,
        robustness=robustness,
        robustness_units=unit(valid.groups),
    )


def _read_summary(folder: Path) -> JsonObject:
    """Return a training's summary; empty if there is none."""
    summary = read_json(folder / "summary.json")
    if summary is None:
        return {}
    fault = validate_summary(summary)
    if fault:
        raise RunError(f"{folder}: {fault}")
    return summary


def open_valid(run: SavedRun) -> PatchSource:
    """Return the valid patches of a run."""
    data = match_run(run, run.config.data, None)
    return open_split(data, run.config.splits, run.config.seed, "valid")


def build_module(run: SavedRun, size: Size, rule: DecisionRule) -> ExportedClassifier:
    """Return a run's network as one module, on the CPU, in eval mode.

    Args:
        run: the run.
        size: of its patches, pixels.
        rule: whose temperature divides the log-odds.
    """
    network = copy.deepcopy(run.model.network).cpu()
    crop = crop_for_split(run.config, "test")
    module = ExportedClassifier(network, size, crop, rule.temperature)
    return module.eval().requires_grad_(False)


def read_patches(source: PatchSource, indices: np.ndarray) -> Patches:
    """Return patches as exported networks take them, uint8 (n, 3, H, W)."""
    return np.ascontiguousarray(source.read(indices).transpose(0, 3, 1, 2))


def _build_files(
    module: ExportedClassifier, config: ExportConfig, run: SavedRun, size: Size
) -> tuple[ExportedFile, ...]:
    """Return the files of the asked format, that of the network first."""
    if config.format == "safetensors":
        seen = crop_for_split(run.config, "test").size_after(size)
        return export_timm_folder(module, run.config.model, seen)
    example = torch.zeros((EXAMPLES, 3, *size), dtype=torch.uint8)
    if config.format == "onnx":
        return (export_onnx(module, example),)
    if config.format == "torchscript":
        return (export_torchscript(module, example),)
    return (export_program(module, example),)


def _score_patches(run: SavedRun, rule: DecisionRule, patches: Patches) -> Floats:
    """Return the log-odds of the run's network for patches (N, 3, H, W), float64 (N,)."""
    with torch.inference_mode():
        parts = [run.model(part).double() for part in torch.split(torch.from_numpy(patches), BATCH)]
    return np.asarray(torch.cat(parts).numpy() / rule.temperature)


def _scores_of_valid(run: SavedRun, valid: PatchSource, rule: DecisionRule) -> Floats:
    """Return the log-odds of the run's network for its valid patches, float64 (N,)."""
    crop = crop_for_split(run.config, "test")
    batch_size = run.config.data.batch_size
    logit = predict_source(run.model, valid, crop, batch_size, run.config.data.num_workers)
    return logit / rule.temperature
