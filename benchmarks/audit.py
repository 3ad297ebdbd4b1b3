"""How long the audit of many patches takes: ``python -m pcam.prepare ... audit=true``.

python -m benchmarks.audit                    100,000 patches of 96 px
python -m benchmarks.audit --patches 327680   as many as PatchCamelyon has

The command is measured as a user runs it, imports included. 100,000 patches need 3 GB of disk in
the temporary folder (TMPDIR).
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

from benchmarks.files import labels_path, patches_path
from pcam.data.base import Pixels
from pcam.data.sources.synthetic.source import SyntheticSource

RENDERED = 1000  # synthetic patches whose quarters make up all others
BLOCK = 5000  # patches that are written at once


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--patches", type=int, default=100_000)
    patches = parser.parse_args().patches
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder), patches)
        seconds, memory = run_audit(Path(folder))
    limit = f"{memory:.0f} MB resident at most, the mapped file included"
    print(f"{patches:,} patches: {seconds:.1f} s on {os.cpu_count()} cores, {limit}")


def run_audit(root: Path) -> tuple[float, float]:
    """Run the audit of a folder; return its seconds and its largest resident memory, MB."""
    overrides = ["data=pcam", f"data.root={root}", "audit=true", f"hydra.run.dir={root / 'audit'}"]
    command = [sys.executable, "-m", "pcam.prepare", *overrides]
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return seconds, memory


def write_files(root: Path, size: int) -> None:
    """Write different patches, put together at random of quarters of synthetic ones.

    Args:
        root: the folder.
        size: number of training patches.
    """
    source = SyntheticSource("train", RENDERED)
    quarters = cut_quarters(source.read(np.arange(RENDERED)))
    rng = np.random.default_rng(0)
    for split, count in (("train", size), ("valid", 64), ("test", 64)):
        with h5py.File(patches_path(root, split), "w") as file:
            x = file.create_dataset("x", (count, 96, 96, 3), np.uint8)
            for start in range(0, count, BLOCK):
                number = min(BLOCK, count - start)
                chosen = rng.integers(len(quarters), size=(number, 2, 2))
                x[start : start + number] = join_quarters(quarters[chosen])
        with h5py.File(labels_path(root, split), "w") as file:
            file["y"] = rng.integers(0, 2, (count, 1, 1, 1), np.uint8)


def cut_quarters(patches: Pixels) -> Pixels:
    """Return the quarters of patches (n, 96, 96, 3), (4 n, 48, 48, 3)."""
    rows_and_columns = patches.reshape(-1, 2, 48, 2, 48, 3)
    return rows_and_columns.transpose(0, 1, 3, 2, 4, 5).reshape(-1, 48, 48, 3)


def join_quarters(quarters: Pixels) -> Pixels:
    """Return patches (n, 96, 96, 3) of their quarters (n, 2, 2, 48, 48, 3)."""
    return quarters.transpose(0, 1, 3, 2, 4, 5).reshape(-1, 96, 96, 3)


if __name__ == "__main__":
    main()
