"""A user's own patches: ROOT/SPLIT/CLASS/*.png|jpg|tif, or without labels ROOT/*.png|jpg|tif."""

import logging
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pcam.config.base import PathText
from pcam.config.classes import UNNAMED, Classes, ClassName, order_classes
from pcam.config.registry import register_source
from pcam.config.sections import DataConfig
from pcam.data.base import Indices, PatchSource, Pixels
from pcam.data.file_state import PUT_BACK, FileState
from pcam.data.provider import SPLITS, SourceProvider
from pcam.data.sources.folder_files import (
    Listing,
    check_headers,
    class_folders,
    format_size,
    is_flat,
    list_split,
)
from pcam.data.sources.folder_root import (
    describe_layout,
    describe_missing,
    list_root,
    refuse_misnamed_splits,
    refuse_mixture,
)
from pcam.data.storage.images import MAX_SIDE, read_image
from pcam.errors import DataError
from pcam.stats.formatting import pluralize

log = logging.getLogger(__name__)

UNLABELLED = "predict"  # name of the split of a root with pictures right in it
LARGEST_SIDE = 8192  # pixels; its square is below Pillow's own limit


class FolderDataConfig(DataConfig):
    """Own patches.

    Attributes:
        root: folder of the splits' folders, or of pictures without labels.
        max_side: pixels that width and height of a picture may have.
    """

    name: Literal["folder"] = "folder"
    root: PathText
    max_side: Annotated[int, Field(ge=1, le=LARGEST_SIDE)] = MAX_SIDE


class FolderSource:
    """One split of a folder of images, of two classes and one size.

    Attributes:
        labels: uint8 (N,), 1 for the positive class; None where the images are in the split's
            folder itself, without class folders.
        ids: "SPLIT/CLASS/FILE", or "SPLIT/FILE"; "FILE" where the root has no splits.
        groups: None.
    """

    groups = None

    def __init__(
        self,
        split: str,
        root: str,
        positive: ClassName | None = None,
        max_side: int = MAX_SIDE,
    ) -> None:
        """Find the images of a split, and check all their headers.

        Args:
            split: name of its folder; "predict" for the pictures right in the root.
            root: folder of the splits' folders.
            positive: class folder of label 1; None for the one whose name says that it is.
            max_side: pixels that width and height of a picture may have.

        Raises:
            DataError: folders or images are missing or damaged, or there are not two classes.
            ConfigError: it is not known which class is positive.
        """
        folder = _find_folder(Path(root), split)
        listing = list_split(folder)
        if listing.skipped:
            log.info(listing.describe_skipped())
        self._paths = listing.paths
        if not self._paths:
            raise DataError(f"{folder} has no images; {describe_layout(Path(root), split)}")
        self.labels: NDArray[np.uint8] | None = None
        if listing.classes:
            name = order_classes(_known_classes(root, listing), positive, root)[1]
            self.labels = np.array([path.parent.name == name for path in self._paths], np.uint8)
        self.ids = [path.relative_to(root).as_posix() for path in self._paths]
        self._max_side = max_side
        self._states = [FileState.of(path) for path in self._paths]
        self._size = check_headers(self._paths, max_side)

    def __len__(self) -> int:
        return len(self._paths)

    def read(self, indices: Indices) -> Pixels:
        """Return the patches, uint8 (n, H, W, 3).

        Raises:
            DataError: a file cannot be read, or has changed since it was checked.
        """
        patches = np.empty((len(indices), *self._size, 3), np.uint8)
        for i, index in enumerate(indices):
            image = read_image(self._paths[index], self._max_side)
            if image.shape[:2] != self._size:
                raise DataError(
                    f"{self._paths[index]} is {format_size(image.shape[:2])} pixels, it was"
                    f" {format_size(self._size)} before; leave the files as they are meanwhile"
                )
            change = self._states[index].describe_change()
            if change is not None:
                raise DataError(f"{change}; {PUT_BACK}")
            patches[i] = image
        return patches


def _find_folder(root: Path, split: str) -> Path:
    """Return the folder of a split; log what is beside the splits when the first of them is opened.

    Raises:
        DataError: it is missing, or the root has something else than expected.
    """
    listing = list_root(root)
    if split == UNLABELLED:
        refuse_mixture(listing)
        return root
    refuse_misnamed_splits(listing)
    if split not in listing.splits:
        raise DataError(describe_missing(listing, split))
    skipped = listing.describe_skipped()
    if skipped and split == listing.splits[0]:
        log.info(skipped)
    return root / split


def classes_of_root(root: Path) -> list[str]:
    """Return the class folders: those of train, or else of the other splits."""
    known = class_folders(root / SPLITS[0])
    if known:
        return known
    found: set[str] = set()
    for split in SPLITS[1:]:
        found.update(class_folders(root / split))
    return sorted(found)


def _known_classes(root: str, listing: Listing) -> list[str]:
    """Return the two classes: those of train, where there is a train folder.

    Raises:
        DataError: there are not two, or the split has another.
    """
    known = classes_of_root(Path(root))
    if len(known) != 2:
        raise DataError(_describe_count(Path(root), listing.folder, known))
    if not set(listing.classes) <= set(known):
        raise DataError(
            f"{listing.folder} has the classes {', '.join(listing.classes)},"
            f" {root}/train has {', '.join(known)}"
        )
    return known


def _describe_count(root: Path, folder: Path, known: list[str]) -> str:
    count = pluralize(len(known), "class folder")
    line = (
        f"{folder} has {count} ({', '.join(known) or 'none'}); two are needed:"
        f" {describe_layout(root, folder.name)}"
    )
    skipped = list_split(folder).describe_skipped()
    return f"{line}; {skipped}" if skipped else line


@register_source("folder", config=FolderDataConfig)
class FolderData(SourceProvider[FolderDataConfig]):
    """A user's own patches: ROOT/SPLIT/CLASS/*.png|jpg|jpeg|tif|tiff."""

    def open(self, split: str) -> PatchSource:
        """Open one split; "predict" for the pictures right in the root."""
        config = self.config
        return FolderSource(split, config.root, config.positive, config.max_side)

    @property
    def class_names(self) -> Classes | None:
        """The two class folders, in the order of their names; None where there are none.

        Raises:
            DataError: there are not two.
        """
        root = Path(self.config.root)
        known = classes_of_root(root)
        if not known:
            return None
        if len(known) != 2:
            raise DataError(_describe_count(root, root / SPLITS[0], known))
        return known[0], known[1]

    @property
    def classes(self) -> Classes:
        """The names of the labels 0 and 1.

        Raises:
            DataError: there are not two classes.
            ConfigError: it is not known which of them is positive.
        """
        names = self.class_names
        if names is None:
            return UNNAMED
        return order_classes(names, self.config.positive, self.config.root)

    @property
    def unlabelled_split(self) -> str | None:
        """The split "predict" where pictures are right in the root; else None."""
        return UNLABELLED if is_flat(Path(self.config.root)) else None

    @property
    def has_unlabelled(self) -> bool:
        """Whether pictures are right in the root."""
        return self.unlabelled_split is not None

    @property
    def published_splits(self) -> tuple[str, ...]:
        """Train, and the others whose folder exists."""
        root = Path(self.config.root)
        others = [split for split in SPLITS[1:] if (root / split).is_dir()]
        return ("train", *others)

    def opens_alone(self, split: str) -> bool:
        """Return True for valid and test: patches to evaluate need no patches to train on."""
        return split != "train" and split in self.published_splits
