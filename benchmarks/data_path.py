"""From file to batch: patches per second, beside other ways to read the same patches, in one run.

python -m benchmarks.data_path                    synthetic patches, in a temporary folder
python -m benchmarks.data_path --root DIR         PatchCamelyon's HDF5 files in DIR (train)
python -m benchmarks.data_path --help             augmentations, workers, rounds

Batches of 64 are shuffled, as training reads them. All ways take turns within a round. A figure is
the median over rounds. A ratio is pcam's figure over the other's in a round, and again the median.
"""

import argparse
import itertools
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from benchmarks import readers
from benchmarks.files import link_files, write_synthetic_files

AUGMENTATIONS = ("none", "paper", "keras")
PCAM = "pcam's own path"

WAYS: dict[str, readers.Way] = {
    PCAM: readers.read_pcam,
    "torchvision's PCAM, transforms v2 and DataLoader": readers.read_torchvision,
    "a data set that keeps its h5py handle, transforms v2 and DataLoader": readers.read_h5py,
    "timm's loader on PNG files, without or with its own jitter and flips": readers.read_timm,
}
LIMITS: dict[str, readers.Way] = {
    "the limit: the same bytes, copied within memory a batch at a time": readers.copy_memory,
    "a gather of sorted rows from the file, without DataLoader": readers.gather_sorted,
}
AUGMENTATION_LIMITS: dict[str, readers.Way] = {
    "the recipe in albumentations, on an array in memory, with its own random stream": (
        readers.augment_memory
    ),
}


def main() -> None:
    """Measure and print what the command line asks for."""
    arguments = parse_arguments()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        if arguments.root is None:
            write_synthetic_files(root, arguments.patches)
        else:
            link_files(arguments.root, root)
        python = sys.version.split()[0]
        rounds = f"{arguments.rounds} rounds of {arguments.seconds:g} s"
        print(f"python {python}, torch {torch.__version__}, {rounds}")
        for aug, workers in itertools.product(arguments.aug, arguments.workers):
            ways = choose_ways(aug, workers)
            loops = {name: way(root, aug, workers) for name, way in ways.items()}
            rates = measure(loops, arguments.rounds, arguments.seconds)
            print(f"\naug={aug}, {workers} workers\n")
            print(format_rates(rates), flush=True)


def parse_arguments() -> argparse.Namespace:
    """Return the command line's values."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--root", type=Path, help="folder of PatchCamelyon's HDF5 files; default: synthetic patches"
    )
    parser.add_argument("--patches", type=int, default=10_000, help="number of synthetic patches")
    parser.add_argument(
        "--aug", nargs="+", default=list(AUGMENTATIONS), choices=list(AUGMENTATIONS)
    )
    parser.add_argument("--workers", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="per way and round")
    return parser.parse_args()


def choose_ways(aug: str, workers: int) -> dict[str, readers.Way]:
    """Return the ways that are compared; the limits have no workers."""
    if workers > 0:
        return WAYS
    if aug == "none":
        return {**WAYS, **LIMITS}
    return {**WAYS, **AUGMENTATION_LIMITS}


def measure(loops: dict[str, readers.Loop], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Return patches per second of each way in each round."""
    rates: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(rounds):
        for name, loop in loops.items():
            rates[name].append(measure_rate(loop, seconds))
    return rates


def measure_rate(loop: readers.Loop, seconds: float) -> float:
    """Return patches per second of a loop after its first batch.

    Args:
        loop: is started again when it ends.
        seconds: how long it is measured.
    """
    steps = repeat(loop)
    next(steps)
    done = 0
    spent = 0.0
    start = time.perf_counter()
    while spent < seconds:
        done += next(steps)
        spent = time.perf_counter() - start
    return done / spent


def repeat(loop: Callable[[], Iterator[int]]) -> Iterator[int]:
    """Yield the steps of a loop again and again."""
    while True:
        yield from loop()


def format_rates(rates: dict[str, list[float]]) -> str:
    """Return a table in Markdown."""
    lines = ["| patches/s | ratio | way |", "|---:|---:|---|"]
    for name, found in rates.items():
        ratio = ""
        if name != PCAM:
            ratios = [ours / theirs for ours, theirs in zip(rates[PCAM], found, strict=True)]
            ratio = f"{statistics.median(ratios):,.2f} ×"
        lines.append(f"| {statistics.median(found):,.0f} | {ratio} | {name} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
