"""Where a backbone's weights come from, and whether they fit."""

import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
from torch import Tensor, nn

from pcam.errors import WeightsError, describe_error
from pcam.models.backbones import pretrained_info

State = dict[str, Tensor]
WAIT = 5.0  # seconds until a host counts as out of reach
GOOGLENET = "https://download.pytorch.org/models/googlenet-1378be20.pth"


@dataclass(frozen=True)
class WeightsOrigin:
    """What a network began from.

    Attributes:
        asked: the config's model.weights.
        origin: imagenet, random, or a file's name.
        detail: the weights' name, the file's SHA-256, or why they are random.
    """

    asked: str
    origin: str
    detail: str


def load_initial_weights(
    backbone: nn.Module, name: str, kwargs: Mapping[str, Any], asked: str, input_size: int | None
) -> WeightsOrigin:
    """Give a backbone its first weights.

    Args:
        backbone: of ``build_backbone(name, kwargs, ...)``.
        name: of the network.
        kwargs: passed to the network.
        asked: imagenet (must be had), none (random), a path, or auto: imagenet where it can be had, else random.
        input_size: pixels, for networks whose weights depend on it.

    Raises:
        WeightsError: the weights cannot be had, cannot be read safely, or do not fit.
    """
    if asked == "none":
        return WeightsOrigin(asked, "random", "asked for")
    if asked in ("imagenet", "auto"):
        try:
            fit(
                backbone,
                imagenet(name, kwargs, input_size),
                pretrained_info(name).left_out,
                "ImageNet weights",
            )
        except WeightsError as error:
            if asked == "imagenet":
                raise
            return WeightsOrigin(asked, "random", str(error))
        return WeightsOrigin(asked, "imagenet", _tag(name))
    path = Path(asked)
    state, digest = read(path)
    fit(backbone, state, pretrained_info(name).left_out, str(path))
    return WeightsOrigin(asked, path.name, f"sha256 {digest}")


def fit(backbone: nn.Module, state: State, left_out: tuple[str, ...], what: str) -> None:
    """Load a state into a backbone; all but the classifier must fit.

    Raises:
        WeightsError: lists the keys that are missing, unexpected or of another shape.
    """
    prefix = (
        "0." if isinstance(backbone, nn.Sequential) and isinstance(backbone[-1], nn.Flatten) else ""
    )
    given = {prefix + key: value for key, value in state.items() if not key.startswith(left_out)}
    own = backbone.state_dict()
    counters = {
        key for key in own if key.endswith("num_batches_tracked")
    }  # no weights; not every format has them
    faults = {
        "missing": sorted(set(own) - set(given) - counters),
        "unexpected": sorted(set(given) - set(own)),
        "of another shape": sorted(
            k for k in set(own) & set(given) if own[k].shape != given[k].shape
        ),
    }
    if any(faults.values()):
        told = "; ".join(
            f"{len(keys)} {kind}: {_some(keys)}" for kind, keys in faults.items() if keys
        )
        raise WeightsError(f"{what} do not fit the network (model.name, model.kwargs): {told}")
    backbone.load_state_dict(given, strict=False)


def read(path: Path) -> tuple[State, str]:
    """Read weights from a file without running anything in it.

    Args:
        path: .safetensors; .pth, .pt or .bin that holds tensors alone; or .ckpt of a run of ours.

    Returns:
        The state by the network's own names, and the file's SHA-256.

    Raises:
        WeightsError: it is missing, of another kind, broken, or holds more than tensors.
    """
    import hashlib

    if not path.is_file():
        raise WeightsError(
            f"model.weights={path} is missing; it is imagenet, none, auto, or a .safetensors or .pth file"
        )
    if path.suffix not in (".safetensors", ".pth", ".pt", ".bin", ".ckpt"):
        raise WeightsError(
            f"model.weights={path}: {path.suffix or 'no ending'} is not known; .safetensors, .pth or .ckpt"
        )
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: Any = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # each reader has its own family of errors
        raise WeightsError(
            f"{path} cannot be read safely as weights ({describe_error(error)}); files that hold code are refused"
        ) from error
    ours = "network.backbone."
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if (
        not isinstance(state, dict)
        or not state
        or not all(isinstance(v, Tensor) for v in state.values())
    ):
        raise WeightsError(f"{path} holds no table of tensors; save model.state_dict()")
    if any(key.startswith(ours) for key in state):
        state = {
            k.removeprefix(ours).removeprefix("0."): v
            for k, v in state.items()
            if k.startswith(ours)
        }
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {key.removeprefix("module."): value for key, value in state.items()}, digest


def imagenet(name: str, kwargs: Mapping[str, Any], input_size: int | None) -> State:
    """Return a network's ImageNet weights, from the cache of this machine or from their host.

    Raises:
        WeightsError: there are none, or the host cannot be reached (known within 10 s).
    """
    if name == "googlenet":
        return _fetched(GOOGLENET)
    import timm

    known = timm.get_pretrained_cfg(name)
    assert known is not None
    hub, url = known.hf_hub_id, known.url
    if not hub and not url:
        raise WeightsError(
            f"timm has no weights for {name}; give a path (model.weights=FILE) or model.weights=none"
        )
    if not hub:
        return _fetched(url)
    from huggingface_hub import constants

    offline = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = offline or not reachable(
        constants.ENDPOINT
    )  # else five tries with growing waits
    size = {"img_size": input_size} if known.fixed_input_size and input_size is not None else {}
    try:
        state: State = timm.create_model(name, pretrained=True, **size, **kwargs).state_dict()
    except (OSError, RuntimeError, ValueError) as error:
        raise WeightsError(_unreachable(name, constants.ENDPOINT)) from error
    finally:
        constants.HF_HUB_OFFLINE = offline
    return state


def reachable(address: str) -> bool:
    """Tell within ``WAIT`` seconds whether a host answers at all."""
    import urllib.error
    import urllib.request

    answered = threading.Event()

    def ask() -> None:
        try:
            urllib.request.urlopen(
                urllib.request.Request(address, method="HEAD"), timeout=WAIT
            ).close()
            answered.set()
        except urllib.error.HTTPError:
            answered.set()
        except OSError:
            pass

    thread = threading.Thread(
        target=ask, daemon=True
    )  # a name server may take longer than any time-out
    thread.start()
    thread.join(WAIT)
    return answered.is_set()


def _fetched(url: str) -> State:
    """Return a state from torch's cache or from its address."""
    name = Path(urlsplit(url).path).name
    cached = Path(torch.hub.get_dir()) / "checkpoints" / name
    if not cached.is_file() and not reachable(url):
        raise WeightsError(_unreachable(name, url))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            state: State = torch.hub.load_state_dict_from_url(
                url, map_location="cpu", check_hash=True, weights_only=True
            )
    except Exception as error:
        raise WeightsError(
            f"{_unreachable(name, url)} ({type(error).__name__}: {error})"
        ) from error
    return state


def _unreachable(name: str, address: str) -> str:
    host = urlsplit(address).netloc
    return f"the ImageNet weights of {name} cannot be had from {host}; give a file (model.weights=FILE) or model.weights=none"


def _tag(name: str) -> str:
    import timm

    return (
        "torchvision IMAGENET1K_V1"
        if name == "googlenet"
        else f"timm {name}.{timm.get_pretrained_cfg(name).tag}"
    )


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:8]) + (f", … (+{len(keys) - 8})" if len(keys) > 8 else "")
