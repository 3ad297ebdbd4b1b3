"""Ways to read patches: pcam's own, other libraries', and the limits.

Each is a function of the folder, the augmentation and the number of workers. It returns a loop over
batches that yields how many patches a step has read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from benchmarks.files import BATCH, labels_path, patches_path, read_config
from pcam.config import registry
from pcam.data.base import Pixels
from pcam.data.datamodule import PatchDataModule
from pcam.data.storage.hdf5 import PatchArray

if TYPE_CHECKING:
    from torch import Tensor
    from torchvision.transforms.v2 import Compose

FILES = 2000  # image files that are written for timm's loader
COPIED = 10_000  # patches of the memory copy
AUGMENTED = 1000  # patches that albumentations has in memory

Loop = Callable[[], Iterator[int]]
Way = Callable[[Path, str, int], Loop]


def read_pcam(root: Path, aug: str, workers: int) -> Loop:
    """Read with pcam's own data module."""
    config = read_config(root, aug, workers)
    data = PatchDataModule(config.data, config.splits, config.crop, config.aug, seed=0)
    loader = data.loader("train", training=True)

    def loop() -> Iterator[int]:
        for batch in loader:
            yield len(batch["image"])

    return loop


def read_torchvision(root: Path, aug: str, workers: int) -> Loop:
    """Read with torchvision's PCAM; it looks for its files in a folder named pcam."""
    from torchvision.datasets import PCAM

    link = root / "pcam"
    if not link.exists():
        link.symlink_to(root, target_is_directory=True)
    return loop_pairs(PCAM(str(root), "train", transform=build_transforms(aug)), workers)


def read_h5py(root: Path, aug: str, workers: int) -> Loop:
    """Read with h5py, one patch at a time."""
    return loop_pairs(PatchByPatch(root, aug), workers)


class PatchByPatch(Dataset[tuple["Tensor", int]]):
    """The usual data set: one h5py handle, one patch at a time.

    Args:
        root: folder of the files.
        aug: name of the augmentation.
    """

    def __init__(self, root: Path, aug: str) -> None:
        self.patches = patches_path(root, "train")
        self.labels = labels_path(root, "train")
        self.transform = build_transforms(aug)
        self.x: h5py.Dataset | None = None
        self.y: h5py.Dataset | None = None
        with h5py.File(self.labels) as file:
            self.size = len(file["y"])

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if self.x is None:  # each worker opens handles of its own
            self.x = h5py.File(self.patches)["x"]
            self.y = h5py.File(self.labels)["y"]
        return self.transform(self.x[index]), int(self.y[index].item())


def read_timm(root: Path, aug: str, workers: int) -> Loop:
    """Read PNG files with timm's loader, whose jitter and flips are not the study's recipe."""
    from timm.data import create_dataset, create_loader

    folder = root / "files"
    if not folder.exists():
        write_images(root, folder)
    loader = create_loader(
        create_dataset("", root=str(folder)),
        (3, 96, 96),
        BATCH,
        is_training=True,
        no_aug=aug == "none",
        vflip=0.5,
        color_jitter=0.2,
        use_prefetcher=False,
        num_workers=workers,
        persistent_workers=workers > 0,
    )

    def loop() -> Iterator[int]:
        for images, _ in loader:
            yield len(images)

    return loop


def write_images(root: Path, folder: Path) -> None:
    """Write training patches as PNG files, in a folder per class; the classes are arbitrary."""
    for name in ("0", "1"):
        (folder / name).mkdir(parents=True)
    for number, patch in enumerate(read_patches(root, FILES)):
        path = folder / str(number % 2) / f"{number}.png"
        Image.fromarray(patch).save(path, compress_level=1)


def copy_memory(root: Path, aug: str, workers: int) -> Loop:
    """Copy patches within memory, a batch at a time."""
    patches = read_patches(root, COPIED)

    def loop() -> Iterator[int]:
        for start in range(0, len(patches) - BATCH, BATCH):
            yield len(patches[start : start + BATCH].copy())

    return loop


def gather_sorted(root: Path, aug: str, workers: int) -> Loop:
    """Read sorted rows of the file, without DataLoader."""
    patches = PatchArray(patches_path(root, "train"), "x", "")
    rng = np.random.default_rng(0)

    def loop() -> Iterator[int]:
        order = rng.permutation(len(patches))
        for start in range(0, len(order) - BATCH, BATCH):
            rows = np.sort(order[start : start + BATCH])
            yield len(patches.read(rows))

    return loop


def augment_memory(root: Path, aug: str, workers: int) -> Loop:
    """Augment patches in memory with albumentations, which draws from its own random stream."""
    import albumentations as A

    config = read_config(root, aug, 0).aug
    recipe = A.Compose(registry.augmentations.get(config.name).target(config))
    patches = read_patches(root, AUGMENTED)

    def loop() -> Iterator[int]:
        for patch in patches:
            recipe(image=patch)
            yield 1

    return loop


def read_patches(root: Path, count: int) -> Pixels:
    """Return the first training patches, uint8 (n, H, W, 3)."""
    patches = PatchArray(patches_path(root, "train"), "x", "")
    return patches.read(np.arange(min(count, len(patches))))


def build_transforms(aug: str) -> Compose:
    """Return the recipe in torchvision's transforms v2.

    It takes a PIL image or an array and returns uint8 (3, H, W).
    """
    from torchvision.transforms import v2

    steps: list[Any] = []
    if aug == "paper":
        jitter = v2.RandomApply([v2.ColorJitter(0.2, 0.2, 0.2, 0.1)], 0.5)
        angles = (0, 90, 180, 270)
        rotation = v2.RandomChoice([v2.RandomRotation((angle, angle)) for angle in angles])
        flip = v2.RandomChoice([v2.RandomHorizontalFlip(1.0), v2.RandomVerticalFlip(1.0)])
        both = v2.Compose([rotation, flip])
        steps = [jitter, v2.RandomChoice([rotation, flip, both])]
    if aug == "keras":
        affine = v2.RandomAffine(40, (0.2, 0.2), (0.8, 1.2), (-0.2, 0.2))
        steps = [affine, v2.RandomHorizontalFlip(0.5)]
    return v2.Compose([v2.ToImage(), *steps])


def loop_pairs(dataset: Dataset[Any], workers: int) -> Loop:
    """Return the loop of a shuffled DataLoader of images and labels."""
    loader = DataLoader(
        dataset,
        BATCH,
        shuffle=True,
        num_workers=workers,
        drop_last=True,
        persistent_workers=workers > 0,
    )

    def loop() -> Iterator[int]:
        for images, _ in loader:
            yield len(images)

    return loop
