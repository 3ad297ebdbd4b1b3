"""Does reading cost more where there is more to read? PatchCamelyon's training split in size, 262,144 patches, 7.25 GB.

python -m benchmarks.large_file                   needs 8 GB of disk in the temporary folder (TMPDIR)

Start-up, an epoch of shuffled batches of 64 per patch (DataLoader included) and the memory that the process holds for
itself (RssAnon; the page cache is the system's), for a small and for the large file, in turns.
"""

import argparse
import shutil
import statistics
import tempfile
import time
import warnings
from pathlib import Path

import h5py

from benchmarks.data_path import BATCH, STEM, composed, make
from pcam.data.datamodule import PatchDataModule


def grow(small: Path, root: Path, size: int) -> None:
    """Write the small data set's patches again and again, to ``size`` of them."""
    root.mkdir()
    for path in small.glob(f"{STEM}*"):
        if "train" not in path.name:
            shutil.copy(path, root)
            continue
        with h5py.File(path) as old, h5py.File(root / path.name, "w") as new:
            key = path.stem[-1]
            block = old[key][()]
            whole = new.create_dataset(key, (size, *block.shape[1:]), block.dtype)
            for start in range(0, size, len(block)):
                whole[start : start + len(block)] = block[: size - start]


def anonymous() -> float:
    """Return the memory that this process holds for itself, MB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) / 1024


def epoch(root: Path) -> tuple[float, float, float]:
    """Open a data set and read an epoch; return seconds to open, microseconds per patch, MB that were held meanwhile."""
    before = anonymous()
    config = composed(root, "none", 0)
    start = time.perf_counter()
    data = PatchDataModule(config["data"], config["splits"], config["crop"], config["aug"], 0)
    opened = time.perf_counter()
    most, read = 0.0, 0
    for step, batch in enumerate(data.loader("train", training=True)):
        read += len(batch["image"])
        if step % 500 == 0:
            most = max(most, anonymous())
    spent = time.perf_counter() - opened
    return opened - start, spent / read * 1e6, most - before


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--patches", type=int, default=262_144)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small", Path(folder) / "large"
        small.mkdir()
        make(small, 10_000)
        grow(small, large, asked.patches)
        epoch(small)  # imports and first pages
        found = {root: [] for root in (small, large)}
        for _ in range(asked.rounds):
            for root, results in found.items():
                results.append(epoch(root))
    print("| patches | opens in, s | µs per patch | MB held |\n|---:|---:|---:|---:|")
    for size, results in zip((10_000, asked.patches), found.values(), strict=True):
        opening, cost, held = (statistics.median(column) for column in zip(*results, strict=True))
        print(f"| {size:,} | {opening:.2f} | {cost:.2f} | {held:.0f} |")
    ratio = statistics.median(b[1] / a[1] for a, b in zip(*found.values(), strict=True))
    print(
        f"\nper patch, large over small: {ratio:.2f} (median of {asked.rounds} rounds; batches of {BATCH})"
    )


if __name__ == "__main__":
    main()
