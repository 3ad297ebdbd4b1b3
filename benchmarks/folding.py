"""A training step with BatchNorm folded into convolutions, beside the step as it is.

python -m benchmarks.folding mobilenetv2_100:192 resnet50:96 --rounds 6 --threads 2

Each network has random weights and keeps its statistics. A step is a forward and a backward pass of
a batch and a step of Adam; both forms take turns, after one step each that is not counted. Times
are medians; a ratio is the time as it is over the time folded in the same round.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim import Adam, Optimizer

from benchmarks.machine import describe_machine
from pcam.config.sections import HeadConfig
from pcam.models.network import Network
from pcam.training.step_forms import build_folded

PATCH = 96  # pixels


def main() -> None:
    """Print times and ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="+", help="NAME:SIZE, the side of the network's input")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(describe_machine(torch.device("cpu")))
    for text in arguments.networks:
        name, _, size = text.partition(":")
        network = build_network(name, int(size))
        whole, folded = measure(network, arguments.batch, arguments.rounds)
        print(f"{name}, {size} px: {format_times(whole, folded)}", flush=True)


def build_network(name: str, size: int) -> Network:
    """Return a network in train mode that keeps its statistics."""
    head = HeadConfig.model_validate({"pool": "avg"})
    network = Network(name, {}, size, "bilinear", None, None, head, outputs=2)
    network.train()
    network.freeze(False, keep_statistics=True)
    return network


def measure(network: Network, batch: int, rounds: int) -> tuple[list[float], list[float]]:
    """Return the seconds of steps of the network as it is, and folded, one per round."""
    image = torch.randint(0, 256, (batch, 3, PATCH, PATCH), dtype=torch.uint8)
    folded = build_folded(network, image)
    if folded is None:
        raise SystemExit("nothing to fold: no BatchNorm follows a convolution")
    optimizer = Adam(network.parameters(), lr=1e-4, fused=True)
    time_step(network, image, optimizer)
    time_step(folded, image, optimizer)
    whole_times = []
    folded_times = []
    for _ in range(rounds):
        whole_times.append(time_step(network, image, optimizer))
        folded_times.append(time_step(folded, image, optimizer))
    return whole_times, folded_times


def time_step(compute: Callable[[Tensor], Tensor], image: Tensor, optimizer: Optimizer) -> float:
    """Return the seconds of a training step."""
    start = time.perf_counter()
    optimizer.zero_grad()
    compute(image).sum().backward()
    optimizer.step()
    return time.perf_counter() - start


def format_times(whole: list[float], folded: list[float]) -> str:
    """Return medians and ratios as text."""
    ratios = [one / other for one, other in zip(whole, folded, strict=True)]
    times = f"{statistics.median(whole):.2f} s as it is, {statistics.median(folded):.2f} s folded"
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    return f"{times}: {statistics.median(ratios):.2f} times as fast ({spread})"


if __name__ == "__main__":
    main()
