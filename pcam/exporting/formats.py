"""Files of an exported network: ONNX, TorchScript and torch's exported program."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pcam.errors import ConfigError, describe_error
from pcam.exporting.module import ExportedClassifier
from pcam.stats.formatting import format_size

Patches = NDArray[np.uint8]  # (N, 3, H, W)
Probabilities = NDArray[np.float32]  # (N,)
Scorer = Callable[[Patches], Probabilities]

INPUT = "patches"  # in ONNX files; the output is called as what it is
BATCH = 64  # patches that are scored at once
MOST_ONNX = 2_000_000_000  # bytes of an ONNX file, which protobuf limits
EXAMPLES = 2  # patches with which a network is traced: one would be taken for a fixed number


@dataclass(frozen=True)
class ExportedFile:
    """A file of an exported network.

    Attributes:
        name: of the file.
        content: the file.
        score: maps raw patches to probabilities, with the file alone.
    """

    name: str
    content: bytes
    score: Scorer


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Leave out what torch says about its own exporters; the result is compared anyway."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@_without_warnings()
def export_onnx(module: ExportedClassifier, example: Tensor) -> ExportedFile:
    """Return an ONNX file.

    Args:
        module: in eval mode.
        example: patches, uint8 (2, 3, H, W).

    Raises:
        ConfigError: packages are missing, or the network cannot be exported.
    """
    require_onnx()
    _ensure_onnx_holds(module)
    shapes = ({0: torch.export.Dim(INPUT)},)
    try:
        program = torch.onnx.export(
            module,
            (example,),
            dynamo=True,
            dynamic_shapes=shapes,
            input_names=[INPUT],
            output_names=[module.returns],
            verbose=False,
        )
    except Exception as error:  # torch raises many kinds for what it cannot trace
        raise ConfigError(f"to=onnx: {_cannot(error)}") from error
    assert program is not None
    content = program.model_proto.SerializeToString()
    return ExportedFile("model.onnx", content, onnx_scorer(content))


def _ensure_onnx_holds(module: ExportedClassifier) -> None:
    """Make sure that a network is not too large for a file of ONNX.

    Raises:
        ConfigError: it is.
    """
    size = sum(value.numel() * value.element_size() for value in module.state_dict().values())
    if size > MOST_ONNX:
        raise ConfigError(
            f"to=onnx: a file holds at most {format_size(MOST_ONNX)}, and the network has "
            f"{format_size(size)}; to=torch"
        )


def onnx_scorer(content: bytes) -> Scorer:
    """Return a function that scores patches with an ONNX file, on the CPU, by onnxruntime."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)  # errors
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def score(patches: Patches) -> Probabilities:
        found: Probabilities = session.run(None, {INPUT: patches})[0]
        return found

    return score


def require_onnx() -> None:
    """Make sure that the packages for ONNX are installed.

    Raises:
        ConfigError: one is missing.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"ONNX needs the package {error.name}; install it with: pip install 'pcam[export]'"
        ) from error


@_without_warnings()
def export_torchscript(module: ExportedClassifier, example: Tensor) -> ExportedFile:
    """Return a TorchScript file, see ``export_onnx``."""
    try:
        with torch.inference_mode():
            traced = torch.jit.trace(module, example)  # type: ignore[no-untyped-call]
    except Exception as error:
        raise ConfigError(f"to=torchscript: {_cannot(error)}") from error
    buffer = BytesIO()
    torch.jit.save(traced, buffer)
    content = buffer.getvalue()
    loaded = torch.jit.load(BytesIO(content))  # type: ignore[no-untyped-call]
    return ExportedFile("model.torchscript", content, _torch_scorer(loaded))


@_without_warnings()
def export_program(module: ExportedClassifier, example: Tensor) -> ExportedFile:
    """Return a file of ``torch.export``, see ``export_onnx``."""
    shapes = ({0: torch.export.Dim(INPUT)},)
    try:
        with torch.no_grad():
            program = torch.export.export(module, (example,), dynamic_shapes=shapes)
    except Exception as error:
        raise ConfigError(f"to=torch: {_cannot(error)}") from error
    buffer = BytesIO()
    torch.export.save(program, buffer)
    content = buffer.getvalue()
    loaded = torch.export.load(BytesIO(content)).module()
    return ExportedFile("model.pt2", content, _torch_scorer(loaded))


def _torch_scorer(function: Callable[[Tensor], Tensor]) -> Scorer:
    def score(patches: Patches) -> Probabilities:
        with torch.inference_mode():
            return function(torch.from_numpy(patches)).numpy()

    return score


def _cannot(error: Exception) -> str:
    return f"the network cannot be exported ({describe_error(error)})"
