"""The code of a model card that loads the exported files."""

from pcam.exporting.by_hand import code_by_hand
from pcam.exporting.export import Export
from pcam.exporting.formats import INPUT
from pcam.exporting.timm_folder import CONFIG
from pcam.reporting.page import Code, Part, Text


def loading_code(export: Export) -> list[Part]:
    """Return code in Python that loads an exported network and makes probabilities."""
    height, width = export.size
    patches = f"patches = np.zeros((8, 3, {height}, {width}), np.uint8)  # yours"
    if export.format == "onnx":
        return [Code(_onnx_lines(patches), "python")]
    if export.format == "safetensors":
        network, kwargs = export.run.model.network, export.run.config.model.kwargs
        code = code_by_hand(network, kwargs, export.size, export.crop, export.rule.temperature)
        text = f"FOLDER is the folder of these files; {CONFIG} has the normalisation too."
        return [Code(code, "python"), Text(text)]
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
