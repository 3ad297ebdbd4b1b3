"""A backbone that does not change, as a function from patches to features."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from pcam.models.folding import FoldedNetwork
from pcam.models.network import Network
from pcam.runs.trees import JsonObject

# Types of autocast by Lightning's name of the precision; others compute in float32.
AUTOCAST: Mapping[str, torch.dtype] = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
# Settings of a network that decide its features, beside its weights and the pooling.
DECISIVE = ("name", "kwargs", "input_size", "interpolation")


class Extractor:
    """Computes the features that the head of a frozen network sees.

    Args:
        network: on its device.
        settings: what the network was built with (``hyper_parameters`` of a checkpoint).
        precision: Lightning's name of it, as of the training.

    Attributes:
        device: of the network.
        width: F, the number of features.
    """

    def __init__(self, network: Network, settings: JsonObject, precision: str) -> None:
        self.network = network
        self.settings = {name: settings[name] for name in DECISIVE}
        self.settings["pool"] = settings["head"]["pool"]
        self.precision = precision
        self.device = network.mean.device
        self.width = network.features
        self._form = FoldedNetwork(network)

    @torch.inference_mode()
    def __call__(self, image: Tensor) -> Tensor:
        """Return the features, float32 (B, F) on the CPU, of uint8 (B, 3, H, W)."""
        image = image.to(self.device, non_blocking=True)
        dtype = AUTOCAST.get(self.precision)
        with torch.autocast(self.device.type, dtype, enabled=dtype is not None):
            features = self._form.extract(image)
        return features.float().cpu()

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Keep the network in eval mode, and put its mode back."""
        mode = self.network.training
        self.network.eval()
        self._form = FoldedNetwork(self.network)
        try:
            yield
        finally:
            self.network.train(mode)

    def describe(self) -> dict[str, object]:
        """Return what decides the features of a patch, as plain values."""
        return {
            "network": json.loads(json.dumps(self.settings, default=str)),
            "weights": digest_weights(self.network),
            "precision": self.precision,
        }


def digest_weights(network: Network) -> str:
    """Return a SHA-256 of the backbone's parameters and buffers, and of the normalisation."""
    digest = hashlib.sha256()
    state = {**network.backbone.state_dict(), "mean": network.mean, "std": network.std}
    for name in sorted(state):
        value = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
