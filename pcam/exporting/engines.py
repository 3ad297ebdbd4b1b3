"""Other libraries that compute a network: onnxruntime and OpenVINO, on the CPU."""

import copy
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from pcam.data.crop import Crop
from pcam.errors import ConfigError
from pcam.evaluation.inference import Network
from pcam.evaluation.saved_run import SavedRun
from pcam.exporting.formats import (
    EXAMPLES,
    INPUT,
    Patches,
    Probabilities,
    Scorer,
    export_onnx,
    onnx_scorer,
)
from pcam.exporting.module import ExportedClassifier, Size

EngineName = Literal["onnxruntime", "openvino"]


def build_engine(name: EngineName, run: SavedRun, size: Size) -> Network:
    """Return a function that computes a run's network with another library.

    Args:
        name: of the library.
        run: the run.
        size: of the patches that the network sees, which are cropped already, pixels.

    Returns:
        Maps raw patches, uint8 (B, 3, H, W), to log-odds (B,).

    Raises:
        ConfigError: packages are missing, or the network cannot be exported.
    """
    make_scorer = openvino_scorer if name == "openvino" else onnx_scorer
    network = copy.deepcopy(run.model.network).cpu()
    module = ExportedClassifier(network, size, Crop("none"), 1.0, "log_odds")
    example = torch.zeros((EXAMPLES, 3, *size), dtype=torch.uint8)
    file = export_onnx(module.eval().requires_grad_(False), example)
    return partial(_score_tensor, make_scorer(file.content))


def _score_tensor(score: Scorer, images: Tensor) -> Tensor:
    """Return the log-odds (B,) of images (B, 3, H, W), uint8."""
    return torch.from_numpy(score(images.cpu().contiguous().numpy()))


def openvino_scorer(content: bytes) -> Scorer:
    """Return a function that scores patches with an ONNX file, on the CPU, by OpenVINO.

    Raises:
        ConfigError: the package is missing.
    """
    try:
        import openvino
    except ModuleNotFoundError as error:
        raise ConfigError(
            "engine=openvino needs a package; install it with: pip install 'pcam[openvino]'"
        ) from error
    core = openvino.Core()
    precision = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(content), "CPU", precision)

    def score(patches: Patches) -> Probabilities:
        found: Probabilities = compiled({INPUT: patches})[0]
        return found

    return score
