"""Where a backbone's weights come from, and whether they fit."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from pcam.errors import WeightsError, describe_error
from pcam.models.backbones import get_backbone
from pcam.models.base import Kwargs
from pcam.models.pooling import PooledBackbone

State = dict[str, Tensor]
ENDINGS = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")
RUN_PREFIX = "network.backbone."  # of a backbone's keys in the checkpoints of pcam
SHOWN_KEYS = 8


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
        asked: imagenet (error if unavailable), none (random), a path, or auto: imagenet if
            available, else random.
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
    load_state(backbone, state, known.classifier_prefixes, "ImageNet weights")


def _load_file(backbone: nn.Module, name: str, asked: str) -> WeightsOrigin:
    path = Path(asked)
    state = read_weights(path)
    load_state(backbone, state, get_backbone(name).classifier_prefixes, str(path))
    return WeightsOrigin(asked, path.name, f"sha256 {_sha256(path)}")


def load_state(
    backbone: nn.Module, state: State, classifier_prefixes: tuple[str, ...], what: str
) -> None:
    """Load a state into a backbone; everything except the classifier must fit.

    Args:
        backbone: to load into.
        state: parameters by the network's own names.
        classifier_prefixes: parameters whose names begin so are left out.
        what: the state is, for the message.

    Raises:
        WeightsError: lists the keys that are missing, unexpected or of another shape.
    """
    prefix = "0." if isinstance(backbone, PooledBackbone) else ""
    given = {}
    for key, value in state.items():
        if not key.startswith(classifier_prefixes):
            given[prefix + key] = value
    not_finite = describe_not_finite(given)
    if not_finite is not None:
        raise WeightsError(f"{what} are not finite: {not_finite}; use other weights")
    faults = _misfits(backbone.state_dict(), given)
    if faults:
        raise WeightsError(
            f"{what} do not fit the network (model.name, model.kwargs): {'; '.join(faults)}"
        )
    backbone.load_state_dict(given, strict=False)


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
    return f"{len(wrong)} of {len(state)} tensors ({_shorten(wrong)})"


def _misfits(own: State, given: State) -> list[str]:
    # BatchNorm's counters are no weights; not every format has them
    required = {key for key in own if not key.endswith("num_batches_tracked")}
    reshaped = [key for key in own.keys() & given.keys() if own[key].shape != given[key].shape]
    faults = (
        ("missing", required - given.keys()),
        ("unexpected", given.keys() - own.keys()),
        ("of another shape", reshaped),
    )
    return [f"{len(keys)} {kind}: {_shorten(sorted(keys))}" for kind, keys in faults if keys]


def read_weights(path: Path) -> State:
    """Read weights from a file without running anything in it.

    Args:
        path: .safetensors; .pth, .pt or .bin that holds only tensors; or the .ckpt of a run.

    Returns:
        The state by the network's own names.

    Raises:
        WeightsError: the file is missing, of another kind, damaged, or holds more than tensors.
    """
    if not path.is_file():
        raise WeightsError(
            f"model.weights={path} does not exist; "
            "it must be imagenet, none, auto, or a .safetensors, .pth or .ckpt file"
        )
    if path.suffix not in ENDINGS:
        ending = path.suffix or "no ending"
        raise WeightsError(
            f"model.weights={path}: {ending} is not supported; use .safetensors, .pth or .ckpt"
        )
    try:
        content = _read_file(path)
    except Exception as error:  # each reader raises errors of its own
        raise WeightsError(
            f"{path} cannot be read safely as weights ({describe_error(error)}); "
            "files that hold code are refused"
        ) from error
    state = _state_of_tensors(content, path)
    if any(key.startswith(RUN_PREFIX) for key in state):
        state = _backbone_of_run(state)
    return {key.removeprefix("module."): value for key, value in state.items()}


def _read_file(path: Path) -> object:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def _state_of_tensors(content: object, path: Path) -> State:
    if isinstance(content, dict):
        content = content.get("state_dict", content)
    if not isinstance(content, dict) or not content:
        raise WeightsError(f"{path} holds no table of tensors; save model.state_dict()")
    if not all(isinstance(value, Tensor) for value in content.values()):
        raise WeightsError(f"{path} holds more than tensors; save model.state_dict()")
    return content


def _backbone_of_run(state: State) -> State:
    backbone = {}
    for key, value in state.items():
        if key.startswith(RUN_PREFIX):
            backbone[key.removeprefix(RUN_PREFIX).removeprefix("0.")] = value
    return backbone


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _shorten(keys: Sequence[str]) -> str:
    shown = ", ".join(keys[:SHOWN_KEYS])
    if len(keys) > SHOWN_KEYS:
        return f"{shown}, … (+{len(keys) - SHOWN_KEYS})"
    return shown
