"""How long does the audit of many patches take? ``python -m pcam.prepare ... audit=true`` as it is typed, imports included.

python -m benchmarks.audit                    100,000 patches of 96 px; needs 3 GB of disk in the temporary folder (TMPDIR)
python -m benchmarks.audit --patches 327680   as many as PatchCamelyon has
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

from benchmarks.data_path import STEM
from pcam.data.sources.synthetic.source import SyntheticSource

DRAWN, BLOCK = 1000, 5000


def make(root: Path, size: int) -> None:
    """Write a file of different patches: quarters of a thousand made ones, put together at random."""
    source = SyntheticSource("train", DRAWN)
    pixels, rng = source.read(np.arange(DRAWN)), np.random.default_rng(0)
    quarters = (
        pixels.reshape(DRAWN, 2, 48, 2, 48, 3).transpose(0, 1, 3, 2, 4, 5).reshape(-1, 48, 48, 3)
    )
    for split, count in (("train", size), ("valid", 64), ("test", 64)):
        with h5py.File(root / f"{STEM}{split}_x.h5", "w") as file:
            x = file.create_dataset("x", (count, 96, 96, 3), np.uint8)
            for start in range(0, count, BLOCK):
                few = min(BLOCK, count - start)
                chosen = quarters[rng.integers(len(quarters), size=(few, 2, 2))]
                x[start : start + few] = chosen.transpose(0, 1, 3, 2, 4, 5).reshape(few, 96, 96, 3)
        with h5py.File(root / f"{STEM}{split}_y.h5", "w") as file:
            file["y"] = rng.integers(0, 2, (count, 1, 1, 1), np.uint8)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--patches", type=int, default=100_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make(root, asked.patches)
        words = ["data=pcam", f"data.root={root}", "audit=true", f"hydra.run.dir={root / 'audit'}"]
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "pcam.prepare", *words], check=True, stdout=subprocess.DEVNULL
        )
        spent = time.perf_counter() - start
        held = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    told = f"{held:.0f} MB resident at most, the mapped file included"
    print(f"{asked.patches:,} patches: {spent:.1f} s on {os.cpu_count()} cores, {told}")


if __name__ == "__main__":
    main()
