"""From file to batch: patches per second, beside other ways to read the same patches, in one run.

python -m benchmarks.data_path                    made patches, in a temporary folder
python -m benchmarks.data_path --root DIR         PatchCamelyon's HDF5 files in DIR (train)
python -m benchmarks.data_path --help             augmentations, workers, rounds

Shuffled batches of 64, as training reads them. All ways take turns within a round, for as many rounds as asked; a figure is
the median over rounds, a ratio is ours over theirs, round by round, and again the median.
"""

import argparse
import itertools
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from hydra import compose, initialize_config_dir
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from pcam import CONF
from pcam.cli.command import plain
from pcam.data.augment.augmentation import Augmentation
from pcam.data.datamodule import PatchDataModule
from pcam.data.sources.synthetic.source import SyntheticSource
from pcam.data.storage.hdf5 import PatchArray

STEM = "camelyonpatch_level_2_split_"
BATCH, FILES = 64, 2000  # patches of a batch; image files that are written for timm's loader
Loop = Callable[[], Iterable[int]]  # yields how many patches a step gave


def make(root: Path, size: int) -> None:
    """Write made patches in the official layout; 1,000 of them are drawn, the rest are those again."""
    for split, count in (("train", size), ("valid", BATCH), ("test", BATCH)):
        source = SyntheticSource(split, min(count, 1000))
        with h5py.File(root / f"{STEM}{split}_x.h5", "w") as file:
            file["x"] = np.resize(source.read(np.arange(len(source))), (count, 96, 96, 3))
        with h5py.File(root / f"{STEM}{split}_y.h5", "w") as file:
            file["y"] = np.resize(source.labels, (count, 1, 1, 1))


def composed(root: Path, aug: str, workers: int) -> dict[str, Any]:
    """Return the config of a training on these files."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        words = [
            "data=pcam",
            f"data.root={root}",
            f"aug={aug}",
            f"data.batch_size={BATCH}",
            f"data.num_workers={workers}",
        ]
        return plain(compose("train", words))


def ours(root: Path, aug: str, workers: int) -> Loop:
    """Pcam's own path."""
    config = composed(root, aug, workers)
    data = PatchDataModule(config["data"], config["splits"], config["crop"], config["aug"], 0)
    loader = data.loader("train", training=True)
    return lambda: (len(batch["image"]) for batch in loader)


def transforms(aug: str) -> Any:
    """The recipe in torchvision's transforms v2, from a PIL image or a tensor to uint8 (3, H, W)."""
    from torchvision.transforms import v2

    jitter = v2.RandomApply([v2.ColorJitter(0.2, 0.2, 0.2, 0.1)], 0.5)
    turn = v2.RandomChoice([v2.RandomRotation((angle, angle)) for angle in (0, 90, 180, 270)])
    flip = v2.RandomChoice([v2.RandomHorizontalFlip(1.0), v2.RandomVerticalFlip(1.0)])
    recipes = {
        "none": [],
        "paper": [jitter, v2.RandomChoice([turn, flip, v2.Compose([turn, flip])])],
        "keras": [
            v2.RandomAffine(40, (0.2, 0.2), (0.8, 1.2), (-0.2, 0.2)),
            v2.RandomHorizontalFlip(0.5),
        ],
    }
    return v2.Compose([v2.ToImage(), *recipes[aug]])


def torchvision_pcam(root: Path, aug: str, workers: int) -> Loop:
    """Torchvision's PCAM, transforms v2 and DataLoader."""
    from torchvision.datasets import PCAM

    (link := root / "pcam").exists() or link.symlink_to(root, target_is_directory=True)
    dataset = PCAM(str(root), "train", transform=transforms(aug))
    return loop(dataset, workers)


class PerItem(Dataset[Any]):
    """The usual data set: one h5py handle, one patch at a time."""

    def __init__(self, root: Path, aug: str) -> None:
        self.paths = [root / f"{STEM}train_{part}.h5" for part in "xy"]
        self.transform, self.handles = transforms(aug), None
        with h5py.File(self.paths[1]) as file:
            self.size = len(file["y"])

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Any:
        if self.handles is None:
            self.handles = [h5py.File(path)[path.stem[-1]] for path in self.paths]
        return self.transform(self.handles[0][index]), int(self.handles[1][index].item())


def loop(dataset: Dataset[Any], workers: int) -> Loop:
    """Return a shuffled DataLoader's loop."""
    loader = DataLoader(
        dataset,
        BATCH,
        shuffle=True,
        num_workers=workers,
        drop_last=True,
        persistent_workers=workers > 0,
    )
    return lambda: (len(image) for image, _ in loader)


def h5py_per_item(root: Path, aug: str, workers: int) -> Loop:
    """A data set that keeps its h5py handle, transforms v2 and DataLoader."""
    return loop(PerItem(root, aug), workers)


def timm_files(root: Path, aug: str, workers: int) -> Loop:
    """Timm's loader on PNG files, without or with its own jitter and flips (it has no recipe of the study)."""
    from timm.data import create_dataset, create_loader

    folder = root / "files"
    if not folder.exists():
        patches = PatchArray(root / f"{STEM}train_x.h5", "x", "")
        for i, patch in enumerate(patches.read(np.arange(min(FILES, len(patches))))):
            (folder / str(i % 2)).mkdir(parents=True, exist_ok=True)
            Image.fromarray(patch).save(folder / str(i % 2) / f"{i}.png", compress_level=1)
    loader = create_loader(
        create_dataset("", root=str(folder)), (3, 96, 96), BATCH, is_training=True, no_aug=aug == "none", vflip=0.5,
        color_jitter=0.2, use_prefetcher=False, num_workers=workers, persistent_workers=workers > 0,
    )  # fmt: skip
    return lambda: (len(image) for image, _ in loader)


def memory_copy(root: Path, aug: str, workers: int) -> Loop:
    """The limit: the same bytes, copied within memory a batch at a time."""
    patches = PatchArray(root / f"{STEM}train_x.h5", "x", "")
    held = patches.read(np.arange(min(len(patches), 10_000)))

    def copies() -> Iterator[int]:
        for start in range(0, len(held) - BATCH, BATCH):
            yield len(held[start : start + BATCH].copy())

    return copies


def sorted_gather(root: Path, aug: str, workers: int) -> Loop:
    """A gather of sorted rows from a memory map, without DataLoader."""
    patches, rng = PatchArray(root / f"{STEM}train_x.h5", "x", ""), np.random.default_rng(0)

    def gathers() -> Iterator[int]:
        order = rng.permutation(len(patches))
        for start in range(0, len(order) - BATCH, BATCH):
            yield len(patches.read(np.sort(order[start : start + BATCH])))

    return gathers


def bare_albumentations(root: Path, aug: str, workers: int) -> Loop:
    """The recipe in albumentations, on an array in memory, with its own random stream."""
    config = composed(root, aug, 0)["aug"]
    recipe = Augmentation(config, 0)._compose
    held = PatchArray(root / f"{STEM}train_x.h5", "x", "").read(np.arange(1000))

    def augmented() -> Iterator[int]:
        for patch in held:
            recipe(image=patch)
            yield 1

    return augmented


def rate(loop: Loop, seconds: float) -> float:
    """Return patches per second of a loop that is begun anew as often as needed, after its first batch."""
    steps = itertools.chain.from_iterable(loop() for _ in itertools.count())
    next(steps)
    done, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds:
        done += next(steps)
    return done / spent


def compare(root: Path, aug: str, workers: int, rounds: int, seconds: float) -> None:
    """Print one table."""
    ways = [ours, torchvision_pcam, h5py_per_item, timm_files]
    if workers == 0:
        ways += [memory_copy, sorted_gather] if aug == "none" else [bare_albumentations]
    loops = {way: way(root, aug, workers) for way in ways}
    rates: dict[Any, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, steps in loops.items():
            rates[way].append(rate(steps, seconds))
    print(f"\naug={aug}, {workers} workers\n")
    print("| patches/s | ours is | way |\n|---:|---:|---|")
    for way, found in rates.items():
        ratio = statistics.median(a / b for a, b in zip(rates[ours], found, strict=True))
        told = "" if way is ours else f"{ratio:,.2f} ×"
        print(
            f"| {statistics.median(found):,.0f} | {told} | {(way.__doc__ or '').splitlines()[0].rstrip('.')} |",
            flush=True,
        )


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--root", type=Path, help="folder of PatchCamelyon's HDF5 files; default: made patches"
    )
    parser.add_argument("--patches", type=int, default=10_000, help="how many are made")
    parser.add_argument(
        "--aug", nargs="+", default=["none", "paper", "keras"], choices=["none", "paper", "keras"]
    )
    parser.add_argument("--workers", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="per way and round")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        if asked.root is None:
            make(root, asked.patches)
        else:
            for path in asked.root.glob(f"{STEM}*"):
                (root / path.name).symlink_to(path.absolute())
        print(
            f"python {sys.version.split()[0]}, torch {torch.__version__}, {asked.rounds} rounds of {asked.seconds:g} s"
        )
        for aug, workers in itertools.product(asked.aug, asked.workers):
            compare(root, aug, workers, asked.rounds, asked.seconds)


if __name__ == "__main__":
    main()
