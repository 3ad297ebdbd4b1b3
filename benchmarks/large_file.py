"""Whether reading costs more where there is more to read.

python -m benchmarks.large_file     needs 8 GB of disk in the temporary folder (TMPDIR)

The large file has the size of PatchCamelyon's training split: 262,144 patches, 7.25 GB. For a small
and a large file, in turns, this measures the start, an epoch of shuffled batches of 64 per patch
(DataLoader included), and the process's own memory (RssAnon; the page cache is the system's).
"""

import argparse
import shutil
import statistics
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import h5py

from benchmarks.files import BATCH, read_config, write_synthetic_files
from benchmarks.machine import own_memory
from pcam.data.datamodule import PatchDataModule
from pcam.data.storage.checksums import STEM

SMALL = 10_000  # patches


@dataclass(frozen=True)
class Epoch:
    """What opening a data set and reading an epoch costs.

    Attributes:
        opening: seconds to open the data set.
        per_patch: microseconds to read a patch.
        memory: the process's own memory meanwhile, MB.
    """

    opening: float
    per_patch: float
    memory: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--patches", type=int, default=262_144)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    small, large = measure(arguments.patches, arguments.rounds)
    print("| patches | opens in, s | µs per patch | memory, MB |\n|---:|---:|---:|---:|")
    print(format_epochs(SMALL, small))
    print(format_epochs(arguments.patches, large))
    ratios = [b.per_patch / a.per_patch for a, b in zip(small, large, strict=True)]
    ratio = statistics.median(ratios)
    note = f"median of {arguments.rounds} rounds; batches of {BATCH}"
    print(f"\nper patch, large over small: {ratio:.2f} ({note})")


def measure(patches: int, rounds: int) -> tuple[list[Epoch], list[Epoch]]:
    """Return the epochs of the small file and of the large file, one per round.

    Args:
        patches: number of patches of the large file.
        rounds: at least 1.
    """
    with tempfile.TemporaryDirectory() as folder:
        small_root = Path(folder) / "small"
        large_root = Path(folder) / "large"
        small_root.mkdir()
        large_root.mkdir()
        write_synthetic_files(small_root, SMALL)
        enlarge(small_root, large_root, patches)
        read_epoch(small_root)  # imports and first pages
        small = []
        large = []
        for _ in range(rounds):
            small.append(read_epoch(small_root))
            large.append(read_epoch(large_root))
    return small, large


def enlarge(small: Path, large: Path, size: int) -> None:
    """Write the small data set again, its training patches repeated up to ``size``."""
    for path in small.glob(f"{STEM}*"):
        if "train" in path.name:
            repeat_array(path, large / path.name, size)
        else:
            shutil.copy(path, large)


def repeat_array(path: Path, target: Path, size: int) -> None:
    """Write the array of a file to another file, its rows repeated up to ``size``."""
    key = path.stem[-1]
    with h5py.File(path) as old, h5py.File(target, "w") as new:
        block = old[key][()]
        whole = new.create_dataset(key, (size, *block.shape[1:]), block.dtype)
        for start in range(0, size, len(block)):
            whole[start : start + len(block)] = block[: size - start]


def read_epoch(root: Path) -> Epoch:
    """Open a data set and read an epoch."""
    before = own_memory()
    config = read_config(root, "none", 0)
    start = time.perf_counter()
    data = PatchDataModule(config.data, config.splits, config.crop, config.aug, seed=0)
    opened = time.perf_counter()
    most = 0.0
    patches = 0
    for step, batch in enumerate(data.loader("train", training=True)):
        patches += len(batch["image"])
        if step % 500 == 0:
            most = max(most, own_memory())
    spent = time.perf_counter() - opened
    return Epoch(opened - start, spent / patches * 1e6, most - before)


def format_epochs(size: int, epochs: list[Epoch]) -> str:
    """Return a row of the table: the medians over rounds."""
    opening = statistics.median(epoch.opening for epoch in epochs)
    per_patch = statistics.median(epoch.per_patch for epoch in epochs)
    memory = statistics.median(epoch.memory for epoch in epochs)
    return f"| {size:,} | {opening:.2f} | {per_patch:.2f} | {memory:.0f} |"


if __name__ == "__main__":
    main()
