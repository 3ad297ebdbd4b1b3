"""A user's own patches: ROOT/SPLIT/CLASS/*.png|jpg|tif."""

import logging
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pcam.config.base import PathText
from pcam.config.registry import register_source
from pcam.config.sections import DataConfig
from pcam.data.base import Indices, PatchSource, Pixels
from pcam.data.provider import SPLITS, SourceProvider
from pcam.data.storage.images import is_image, read_image
from pcam.errors import DataError, suggest

log = logging.getLogger(__name__)


class FolderDataConfig(DataConfig):
    """Own patches.

    Attributes:
        root: folder of the splits' folders.
        positive: class folder of label 1; None for the second in alphabetical order.
    """

    name: Literal["folder"] = "folder"
    root: PathText
    positive: str | int | None = None


class FolderSource:
    """One split of a folder of images, of two classes and one size.

    Attributes:
        labels: uint8 (N,), 1 for the positive class; None where the images are in the split's
            folder itself, without class folders.
        ids: "SPLIT/CLASS/FILE", or "SPLIT/FILE".
        groups: None.
    """

    groups = None

    def __init__(self, split: str, root: str, positive: str | int | None = None) -> None:
        """Find the images of a split.

        Args:
            split: name of its folder.
            root: folder of the splits' folders.
            positive: class folder of label 1; None for the second in alphabetical order.

        Raises:
            DataError: folders or images are missing, or there are not two classes.
        """
        folder = Path(root) / split
        if not folder.is_dir():
            raise DataError(
                f"{folder} is missing; the layout is {_layout(root, split)}; set data.root"
            )
        classes = _class_folders(folder)
        unlabelled = [] if classes else _images(folder)
        self.labels: NDArray[np.uint8] | None = None
        if unlabelled:
            self._paths = unlabelled
        else:
            known = _known_classes(root, split, classes)
            name = _positive_class(root, known, positive)
            if split == "train":
                log.info("positive class: %s", name)
            self._paths = _images_of_classes(folder, classes)
            is_positive = [path.parent.name == name for path in self._paths]
            self.labels = np.array(is_positive, np.uint8)
        if not self._paths:
            raise DataError(f"{folder} has no images; the layout is {_layout(root, split)}")
        self.ids = [f"{split}/{path.relative_to(folder).as_posix()}" for path in self._paths]
        self._shape = read_image(self._paths[0]).shape

    def __len__(self) -> int:
        return len(self._paths)

    def read(self, indices: Indices) -> Pixels:
        """Return the patches, uint8 (n, H, W, 3).

        Raises:
            DataError: a file cannot be read, or has another size than the first.
        """
        patches = np.empty((len(indices), *self._shape), np.uint8)
        for i, index in enumerate(indices):
            image = read_image(self._paths[index])
            if image.shape != self._shape:
                raise DataError(
                    f"{self._paths[index]} is {_size(image.shape)} pixels, {self._paths[0]} is"
                    f" {_size(self._shape)}; all patches must have one size"
                )
            patches[i] = image
        return patches


def _layout(root: str, split: str) -> str:
    return f"{root}/{split}/CLASS/*.png|jpg|tif"


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"


def _class_folders(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*") if path.is_dir())


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if is_image(path))


def _images_of_classes(folder: Path, classes: list[str]) -> list[Path]:
    paths: list[Path] = []
    for name in classes:
        paths.extend(_images(folder / name))
    return sorted(paths)


def _known_classes(root: str, split: str, classes: list[str]) -> list[str]:
    """Return the two classes: those of train, where there is a train folder.

    Raises:
        DataError: there are not two, or the split has another.
    """
    folder = Path(root) / split
    known = _class_folders(Path(root) / "train") or classes
    if len(known) != 2:
        raise DataError(
            f"{folder} has {len(known)} class folders ({_listed(known)}); two are needed:"
            f" {_layout(root, split)}"
        )
    if not classes or not set(classes) <= set(known):
        raise DataError(
            f"{folder} has the classes {_listed(classes)}, {root}/train has {_listed(known)}"
        )
    return known


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "none"


def _positive_class(root: str, known: list[str], positive: str | int | None) -> str:
    name = known[1] if positive is None else str(positive)
    if name not in known:
        raise DataError(
            f"data.positive={name} is not a class folder of {root}/train{suggest(name, known)}"
        )
    return name


@register_source("folder", config=FolderDataConfig)
class FolderData(SourceProvider[FolderDataConfig]):
    """A user's own patches: ROOT/SPLIT/CLASS/*.png|jpg|tif."""

    def open(self, split: str) -> PatchSource:
        """Open one split."""
        return FolderSource(split, self.config.root, self.config.positive)

    @property
    def published_splits(self) -> tuple[str, ...]:
        """Train, and the others whose folder exists."""
        root = Path(self.config.root)
        others = [split for split in SPLITS[1:] if (root / split).is_dir()]
        return ("train", *others)

    def opens_alone(self, split: str) -> bool:
        """Return True for valid and test: patches to evaluate need no patches to train on."""
        return split != "train" and split in self.published_splits
