"""The forms in which a network can be computed in training steps."""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from pcam.models.classifier import StepNetwork
from pcam.models.folding import fold_network
from pcam.models.network import Network

WARM_UP = 3  # passes
TIMED = 10


class _Step(nn.Module):
    """A network as a module of its own, so that capturing does not change the network.

    Args:
        network: whose parameters it has.
        compute: what is called; the network or its compiled form.
    """

    def __init__(self, network: nn.Module, compute: StepNetwork) -> None:
        super().__init__()
        self.network = network
        self._compute = [compute]  # in a list, so that a module is not registered twice

    def forward(self, image: Tensor) -> Tensor:
        """Return the network's output."""
        return self._compute[0](image)


def build_form(form: str, network: nn.Module, image: Tensor) -> StepNetwork:
    """Return a form of a network, built for batches like one batch.

    Batches of another shape are computed by the network as it is.

    Args:
        form: graph, default or reduce-overhead.
        network: in train mode.
        image: a batch of raw patches (B, 3, H, W), on the device.
    """
    built: StepNetwork = network
    if form != "graph":
        built = torch.compile(network, dynamic=False)
        run_passes(built, image, WARM_UP)
    if form != "default":
        built = capture(network, built, image)
        run_passes(built, image, WARM_UP)
    shape = image.shape

    def compute(batch: Tensor) -> Tensor:
        output: Tensor = built(batch) if batch.shape == shape else network(batch)
        return output

    return compute


def build_folded(network: Network, image: Tensor) -> StepNetwork | None:
    """Return a network with its backbone's fixed BatchNorm folded into convolutions.

    Takes the arguments and raises the errors of ``fold_network``.

    Args:
        network: in train mode.
        image: a batch of raw patches (B, 3, H, W), on the device.

    Returns:
        What computes the network's log-odds; None if there is nothing to fold.
    """
    backbone = fold_network(network, image)
    if backbone is None:
        return None

    return partial(network, backbone=backbone)


def capture(network: nn.Module, compute: StepNetwork, image: Tensor) -> StepNetwork:
    """Return what computes a network, its kernels in two CUDA graphs: forward and backward.

    Args:
        network: whose parameters get gradients.
        compute: the network, or its compiled form.
        image: a batch of the shape that is captured.
    """
    # Gradients are handed over from the stream of the capture; torch warns about it
    warn = getattr(torch.autograd.graph, "set_warn_on_accumulate_grad_stream_mismatch", None)
    if warn is not None:
        warn(False)
    step = _Step(network, compute)
    captured = torch.cuda.make_graphed_callables(step, (image.clone(),), allow_unused_input=True)
    return cast(StepNetwork, captured)


def time_form(compute: StepNetwork, image: Tensor) -> float:
    """Return the milliseconds of a forward and backward pass, the median of several."""
    run_passes(compute, image, WARM_UP)
    milliseconds = []
    for _ in range(TIMED):
        start = time.perf_counter()
        run_passes(compute, image, 1)
        milliseconds.append(1000 * (time.perf_counter() - start))
    return statistics.median(milliseconds)


def run_passes(compute: StepNetwork, image: Tensor, passes: int) -> None:
    """Run forward and backward passes, and wait for them."""
    for _ in range(passes):
        compute(image).sum().backward()  # type: ignore[no-untyped-call]
    if image.is_cuda:
        torch.cuda.synchronize(image.device)


@contextmanager
def restored(network: nn.Module) -> Iterator[None]:
    """Give a network its buffers and gradients back afterwards: passes move BatchNorm's statistics.

    The buffers' memory stays where it is, as captured kernels refer to it.
    """
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    gradients = [(parameter, parameter.grad) for parameter in network.parameters()]
    for parameter, _ in gradients:
        parameter.grad = None
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
        for parameter, gradient in gradients:
            parameter.grad = gradient
