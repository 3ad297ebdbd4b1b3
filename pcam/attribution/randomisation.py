"""Networks with random weights, in part or in whole: a map of them should differ."""

import copy
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from pcam.attribution.layers import get_body, output_shapes
from pcam.attribution.randomness import draw
from pcam.attribution.scorer import Scorer, recalibrate_batchnorm
from pcam.data.randomness import AttributionStream
from pcam.models.classifier import PatchClassifier
from pcam.models.network import Network


def untrained_network(model: PatchClassifier, seed: int, references: Tensor) -> Network:
    """Return a network like a classifier's, with random weights drawn by the seed.

    Its BatchNorm has the statistics of a few patches, (R, 3, H, W) normalised. With the initial
    statistics, zero and one, the signal can vanish in a deep network.
    """
    with torch.random.fork_rng():
        rng = draw(seed, AttributionStream.RANDOM_WEIGHTS)
        torch.manual_seed(int(rng.integers(1 << 31)))
        network: Network = PatchClassifier(**model.hparams).network.to(model.device)
        recalibrate_batchnorm(network, references)
    return network


def cascade(network: Network, untrained: Network, x: Tensor, stages: int) -> Iterator[Network]:
    """Yield a network that is randomised step by step, from the head down.

    Adebayo et al. 2018, section 3.1.

    Args:
        network: trained; it is not changed.
        untrained: a network of the same build.
        x: normalised patches, to find the order in which the layers run.
        stages: number of equal parts of the backbone's layers.

    Yields:
        The network, the same object each time: first with a random head, then with one more
        random part of the backbone.
    """
    mixed = copy.deepcopy(network)
    mixed.head.load_state_dict(untrained.head.state_dict())
    yield mixed
    own = dict(get_body(mixed).named_modules())
    random = dict(get_body(untrained).named_modules())
    parts = np.array_split(np.array(_layers_in_order(network, own, x), dtype=object), stages)
    for part in reversed(parts):
        for name in part:
            source = _own_tensors(random[name])
            for key, tensor in _own_tensors(own[name]).items():
                tensor.data.copy_(source[key])
        yield mixed


def _layers_in_order(network: Network, modules: dict[str, nn.Module], x: Tensor) -> list[str]:
    """Return the names of the layers with tensors of their own, in the order in which they run.

    Args:
        network: that runs.
        modules: its layers by name.
        x: normalised patches (B, 3, H, W).

    Returns:
        The names; layers whose place is unknown come first.
    """
    order = list(output_shapes(Scorer(network), x))
    with_tensors = [name for name, module in modules.items() if _own_tensors(module)]
    return sorted(with_tensors, key=lambda name: order.index(name) if name in order else -1)


def _own_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return a layer's parameters and buffers without those of its parts."""
    parameters = dict(module.named_parameters(recurse=False))
    buffers = dict(module.named_buffers(recurse=False))
    return {**parameters, **buffers}
