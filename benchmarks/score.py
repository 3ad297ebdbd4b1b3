"""One way to score patches, as a process of its own: pcam's Python API, or the limit.

python -m benchmarks.score --root DIR --run FOLDER [--limit PRECISION]

prints seconds per pass as JSON. The limit is the run's network, called on tensors that are on the
device already, a batch at a time.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.files import patches_path
from benchmarks.machine import choose_device, synchronize
from pcam import load_run
from pcam.data.base import Pixels
from pcam.data.storage.hdf5 import PatchArray
from pcam.models.classifier import PatchClassifier
from pcam.runs.folder import best_checkpoint


def main() -> None:
    """Score and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--limit", choices=["fp32", "bf16"])
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--patches", type=int, default=20_000)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    device = choose_device(arguments.device)
    whole = PatchArray(patches_path(arguments.root, "train"), "x", "")
    pixels = whole.read(np.arange(min(arguments.patches, len(whole))))
    score = _pcam(pixels, arguments)
    if arguments.limit is not None:
        score = _limit(pixels, arguments, device)
    print(json.dumps({"seconds": time_passes(score, arguments.passes, device)}))


def time_passes(score: Callable[[], object], passes: int, device: torch.device) -> list[float]:
    """Return the seconds of each pass."""
    seconds = []
    for _ in range(passes):
        start = time.perf_counter()
        score()
        synchronize(device)
        seconds.append(time.perf_counter() - start)
    return seconds


def _pcam(pixels: Pixels, arguments: argparse.Namespace) -> Callable[[], object]:
    run = load_run(arguments.run)
    return lambda: run.predict(pixels, batch_size=arguments.batch)


def _limit(
    pixels: Pixels, arguments: argparse.Namespace, device: torch.device
) -> Callable[[], object]:
    network = PatchClassifier.load(best_checkpoint(arguments.run)).to(device)
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).to(device)
    bf16 = arguments.limit == "bf16"

    @torch.inference_mode()
    def score() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            for batch in images.split(arguments.batch):
                network(batch)

    return score


if __name__ == "__main__":
    main()
