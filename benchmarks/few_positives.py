"""What few positive patches cost, and what makes up for it: training on a sample of 5 % positives.

python -m benchmarks.few_positives write ROOT OUT     files of which 5 % of train are positive
python -m benchmarks.few_positives score RUN [...]    average precision at 5 % positives

``write`` keeps all negative patches of train and draws the positive ones; valid and test stay
whole. ``score`` weighs the positive patches of a run's test predictions so that they are 5 %, which
is less noisy than a test split with so few of them.
"""

import argparse
import csv
import os
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from benchmarks.files import labels_path, patches_path


def main() -> None:
    """Write files, or print the average precision of runs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--share", type=float, default=0.05, help="of positive patches")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    commands = parser.add_subparsers(dest="command", required=True)
    write = commands.add_parser("write")
    write.add_argument("root", type=Path)
    write.add_argument("out", type=Path)
    score = commands.add_parser("score")
    score.add_argument("runs", type=Path, nargs="+")
    arguments = parser.parse_args()
    if arguments.command == "write":
        write_files(arguments.root, arguments.out, arguments.share, arguments.seed)
        return
    for run in arguments.runs:
        found = measure_precision(run / "predictions" / "test.csv", arguments.share)
        print(f"{run.name}: average precision {found:.4f}")


def write_files(root: Path, out: Path, share: float, seed: int) -> None:
    """Write a training split with few positive patches; valid and test are linked.

    Args:
        root: folder of PatchCamelyon's HDF5 files.
        out: folder to write into.
        share: of positive patches among those that are written.
        seed: of the draw.
    """
    out.mkdir(parents=True)
    with h5py.File(labels_path(root, "train")) as file:
        label = file["y"][:].ravel()
    rows = draw_rows(label, share, seed)
    with h5py.File(patches_path(root, "train")) as file:
        patches = file["x"][:]
    with h5py.File(patches_path(out, "train"), "w") as file:
        file["x"] = patches[rows]
    with h5py.File(labels_path(out, "train"), "w") as file:
        file["y"] = label[rows].reshape(-1, 1, 1, 1)
    for split in ("valid", "test"):
        for path in (patches_path(root, split), labels_path(root, split)):
            os.link(path, out / path.name)
    print(f"{out}: {len(rows):,} training patches, {int(label[rows].sum()):,} positive")


def draw_rows(label: NDArray[np.uint8], share: float, seed: int) -> NDArray[np.int64]:
    """Return all negative patches and as many positive ones as make a share, in order."""
    negative = np.flatnonzero(label == 0)
    positive = np.flatnonzero(label == 1)
    count = round(len(negative) * share / (1 - share))
    drawn = np.random.default_rng(seed).choice(positive, count, replace=False)
    return np.sort(np.concatenate([negative, drawn]))


def measure_precision(path: Path, share: float) -> float:
    """Return the average precision of predictions, weighed to a share of positive patches."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    label = np.array([int(row["label"]) for row in rows])
    logit = np.array([float(row["logit"]) for row in rows])
    odds = share / (1 - share)
    weight = np.where(label == 1, odds * (label == 0).sum() / (label == 1).sum(), 1.0)
    return float(average_precision_score(label, logit, sample_weight=weight))


if __name__ == "__main__":
    main()
