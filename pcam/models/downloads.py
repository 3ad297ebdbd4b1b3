"""ImageNet weights from the cache of this machine or from their host."""

import threading
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import torch
from torch import Tensor

from pcam.errors import WeightsError
from pcam.runs.access import ensure_readable

WAIT = 5.0  # seconds after which a host counts as unreachable


def download_state(url: str) -> dict[str, Tensor]:
    """Return a state from torch's cache or from its address.

    Raises:
        AccessError: the file in the cache cannot be read now.
        WeightsError: the host cannot be reached, or the file is damaged.
    """
    name = Path(urlsplit(url).path).name
    cached = Path(torch.hub.get_dir()) / "checkpoints" / name
    if cached.is_file():
        ensure_readable(cached)
    elif not reachable(url):
        raise WeightsError(_unreachable(name, url))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            state: dict[str, Tensor] = torch.hub.load_state_dict_from_url(
                url, map_location="cpu", check_hash=True, weights_only=True
            )
    except Exception as error:  # each reader raises errors of its own
        message = f"{_unreachable(name, url)} ({type(error).__name__}: {error})"
        raise WeightsError(message) from error
    return state


def download_from_hub(name: str, options: Mapping[str, object]) -> dict[str, Tensor]:
    """Return the state of one of timm's networks with its weights from the Hugging Face Hub.

    Args:
        name: of the network.
        options: passed to ``timm.create_model``.

    Raises:
        WeightsError: the weights are not cached and the host cannot be reached.
    """
    import timm
    from huggingface_hub import constants

    try:
        with offline_if_unreachable():
            network: torch.nn.Module = timm.create_model(name, pretrained=True, **options)
    except (OSError, RuntimeError, ValueError) as error:
        raise WeightsError(_unreachable(name, constants.ENDPOINT)) from error
    return network.state_dict()


@contextmanager
def offline_if_unreachable() -> Iterator[None]:
    """Make the hub's client use its cache only; else it tries five times with growing waits."""
    from huggingface_hub import constants

    offline = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = offline or not reachable(constants.ENDPOINT)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = offline


def reachable(address: str) -> bool:
    """Return whether a host answers within ``WAIT`` seconds."""
    answered = threading.Event()

    def ask() -> None:
        request = urllib.request.Request(address, method="HEAD")
        try:
            urllib.request.urlopen(request, timeout=WAIT).close()
        except urllib.error.HTTPError:
            pass  # an answer too
        except OSError:
            return
        answered.set()

    # A thread, because a name server may take longer than any time-out
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(WAIT)
    return answered.is_set()


def _unreachable(name: str, address: str) -> str:
    host = urlsplit(address).netloc
    return (
        f"the ImageNet weights of {name} cannot be downloaded from {host}; "
        "give a file (model.weights=FILE) or model.weights=none"
    )
