"""Where a backbone's weights come from, and whether they fit."""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from pcam.errors import AccessError, WeightsError
from pcam.models.backbones import get_backbone
from pcam.models.base import Kwargs
from pcam.models.fitting import Reading, Tables, find_tables, fit_reading, load_reading, shorten
from pcam.models.tensor_checks import describe_negative_variances, describe_unusable
from pcam.models.tensor_files import describe_unreadable, read_tensors
from pcam.runs.folder import best_checkpoint

ENDINGS = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WeightsOrigin:
    """What a network was initialised with.

    Attributes:
        asked: the config's model.weights.
        origin: imagenet, random, or a file's name.
        detail: the weights' name, the file's SHA-256, or why they are random.
    """

    asked: str
    origin: str
    detail: str

    @property
    def pretrained(self) -> bool:
        """Whether the network was trained before."""
        return self.origin != "random"

    def __str__(self) -> str:
        return f"{self.origin} ({self.detail})"


def load_initial_weights(
    backbone: nn.Module, name: str, kwargs: Kwargs, asked: str, input_size: int | None
) -> WeightsOrigin:
    """Initialise a backbone.

    Args:
        backbone: of ``build_backbone(name, kwargs, ...)``.
        name: of the network.
        kwargs: passed to the network.
        asked: imagenet (error if unavailable), none (random), the path of a file or of a run
            folder, or auto: imagenet if available, else random.
        input_size: pixels, for networks whose weights depend on it.

    Raises:
        WeightsError: the weights are unavailable, cannot be read safely, or do not fit.
    """
    if asked == "none":
        return WeightsOrigin(asked, "random", "as requested")
    if asked not in ("imagenet", "auto"):
        return _load_file(backbone, name, asked)
    try:
        _load_imagenet(backbone, name, kwargs, input_size)
    except WeightsError as error:
        if asked == "imagenet":
            raise
        return WeightsOrigin(asked, "random", str(error))
    return WeightsOrigin(asked, "imagenet", get_backbone(name).weights_label())


def _load_imagenet(backbone: nn.Module, name: str, kwargs: Kwargs, input_size: int | None) -> None:
    known = get_backbone(name)
    state = known.imagenet_weights(kwargs, input_size)
    reading = fit_reading(backbone, {"": state}, known.classifier_prefixes, "ImageNet weights")
    _load(backbone, reading, "ImageNet weights")


def _load_file(backbone: nn.Module, name: str, asked: str) -> WeightsOrigin:
    path = _weights_path(asked)
    tables = read_weights(path)
    what = f"the weights in {path}"
    reading = fit_reading(backbone, tables, get_backbone(name).classifier_prefixes, what)
    if not reading.is_plain:
        log.info(f"weights: {path}, read as {reading.describe()}")
    _load(backbone, reading, what)
    return WeightsOrigin(asked, path.name, f"sha256 {_sha256(path)}")


def _weights_path(asked: str) -> Path:
    """Return the file that ``model.weights`` names: of a run folder, its best checkpoint."""
    path = Path(asked)
    return best_checkpoint(path) if path.is_dir() else path


def _load(backbone: nn.Module, reading: Reading, what: str) -> None:
    """Load weights that fit, if they are dense and finite, and no variance is negative.

    Raises:
        WeightsError: they are not.
    """
    fault = describe_unusable(reading.state)
    if fault is not None:
        raise WeightsError(f"{what} are not all floating-point tensors: {fault}; use other weights")
    converted = {name: value.to(torch.float32) for name, value in reading.state.items()}
    fault = describe_not_finite(converted)
    if fault is not None:
        raise WeightsError(f"{what} are not finite: {fault}; use other weights")
    fault = describe_negative_variances(converted)
    if fault is not None:
        raise WeightsError(f"{what} have variances below zero: {fault}; use other weights")
    load_reading(backbone, reading)


def describe_not_finite(state: Mapping[str, object]) -> str | None:
    """Return which tensors of a state hold infinities or no numbers; None if none does.

    Waits for the device once.
    """
    names, flags = [], []
    for name, value in state.items():
        if isinstance(value, Tensor) and value.is_floating_point():
            names.append(name)
            flags.append(value.isfinite().all())
    finite = torch.stack(flags).tolist() if flags else []
    wrong = [name for name, is_finite in zip(names, finite, strict=True) if not is_finite]
    if not wrong:
        return None
    return f"{len(wrong)} of {len(state)} tensors ({shorten(wrong)})"


def read_weights(path: Path) -> Tables:
    """Read weights from a file without running anything in it.

    Args:
        path: .safetensors; .pth, .pt or .bin that holds only tensors and plain values; or the .ckpt
            of a run.

    Returns:
        The tables of tensors in it.

    Raises:
        AccessError: the file cannot be read now.
        WeightsError: the file is missing, of another kind, damaged, or holds no tensors.
    """
    if not path.is_file():
        raise WeightsError(
            f"model.weights={path} does not exist; "
            "it must be imagenet, none, auto, a run folder, or a .safetensors, .pth or .ckpt file"
        )
    if path.suffix not in ENDINGS:
        ending = path.suffix or "no ending"
        raise WeightsError(
            f"model.weights={path}: {ending} is not supported; use .safetensors, .pth or .ckpt"
        )
    try:
        content = read_tensors(path)
    except AccessError:
        raise
    except Exception as error:  # each reader raises errors of its own
        raise WeightsError(
            f"{path} cannot be read safely as weights ({describe_unreadable(error)}); "
            "files that hold code are refused: save model.state_dict()"
        ) from error
    tables = find_tables(content)
    if not tables:
        raise WeightsError(
            f"{path} holds no table of tensors, or more than tensors in one; "
            "save model.state_dict()"
        )
    return tables


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
