"""What is in the root of a folder of patches, and what is wrong with it."""

import os
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from pcam.data.provider import SPLITS
from pcam.data.sources.folder_files import (
    class_folders,
    describe_skipped,
    entries,
    has_pictures,
    is_picture,
    is_stray,
)
from pcam.errors import DataError, format_override

# Usual names of splits, in lower case, that are not similar to ours as text.
SYNONYMS = {
    **dict.fromkeys(("val", "validation", "validate", "dev", "eval", "evaluation"), "valid"),
    **dict.fromkeys(("training", "trn"), "train"),
    **dict.fromkeys(("testing", "tst", "holdout"), "test"),
}
SIMILAR = 0.8  # of a misspelt name, as difflib measures it


@dataclass(frozen=True)
class RootListing:
    """What is right in a root.

    Attributes:
        root: the folder.
        splits: those whose folders are there.
        folders: other folders, in which there are pictures or class folders.
        pictures: right in the root.
        skipped: anything else.
    """

    root: Path
    splits: list[str]
    folders: list[str]
    pictures: list[str]
    skipped: list[str]

    def describe_skipped(self) -> str:
        """Return what is beside the splits, in a line; empty if there is nothing."""
        names = sorted([*self.folders, *self.pictures, *self.skipped])
        return describe_skipped(self.root, names, "that are no splits")


def list_root(root: Path) -> RootListing:
    """List a root.

    Raises:
        DataError: it does not exist, is no folder, or cannot be read.
    """
    if not root.is_dir():
        state = "is not a folder" if root.exists() else "does not exist"
        raise DataError(f"data.root={root} {state}")
    splits = [split for split in SPLITS if (root / split).is_dir()]
    folders: list[str] = []
    pictures: list[str] = []
    skipped: list[str] = []
    for entry in entries(root):
        path = Path(entry.path)
        if entry.is_dir() and _is_split(path, splits):
            continue
        if is_picture(entry):
            pictures.append(entry.name)
        elif _holds_pictures(path):
            folders.append(entry.name)
        else:
            skipped.append(entry.name)
    return RootListing(root, splits, folders, pictures, skipped)


def _is_split(folder: Path, splits: list[str]) -> bool:
    """Return whether a folder is that of a split, also as a link or on a disk without capitals."""
    return any(os.path.samefile(folder, folder.parent / split) for split in splits)


def _holds_pictures(folder: Path) -> bool:
    if is_stray(folder.name) or not folder.is_dir():
        return False
    return has_pictures(folder) or bool(class_folders(folder))


def split_meant(name: str) -> str | None:
    """Return the split that a folder's name means: valid for "val" and "Vaild"; else None."""
    lower = name.casefold()
    if lower in SYNONYMS:
        return SYNONYMS[lower]
    similar = get_close_matches(lower, SPLITS, n=1, cutoff=SIMILAR)
    return similar[0] if similar else None


def refuse_misnamed_splits(listing: RootListing) -> None:
    """Make sure that no folder is left out because it has another name for a split that is missing.

    Raises:
        DataError: one is.
    """
    renames: list[str] = []
    for name in listing.folders:
        split = split_meant(name)
        if split is not None and split not in listing.splits:
            renames.append(f"{name} to {split}")
    if renames:
        raise DataError(
            f"{listing.root}: the splits are folders named {', '.join(SPLITS)}; rename"
            f" {', '.join(renames)}, or move what is no split away"
        )


def describe_layout(root: Path, split: str) -> str:
    """Return the paths at which pictures of a split are expected."""
    return f"the layout is {root}/{split}/CLASS/*.png|jpg|tif"


def describe_missing(listing: RootListing, split: str) -> str:
    """Return why a split cannot be opened whose folder is not there."""
    root, layout = listing.root, describe_layout(listing.root, split)
    line = f"{root / split} is missing"
    if listing.splits:
        return f"{line}; {root} has {', '.join(listing.splits)}; {layout}"
    if listing.pictures and listing.folders:
        return f"{line}; {_count(listing)}; {layout}"
    if listing.pictures:
        return (
            f"{line}; {layout}; set data.root; pictures right in {root} have no labels:"
            " pcam.predict scores them"
        )
    inner = _folder_with_splits(root)
    if inner is not None:
        return f"{line}; the splits are in {inner}: set {format_override('data.root', inner)}"
    if listing.folders:
        return f"{line}; {_describe_classes(listing, layout)}"
    return f"{root} {_describe_empty(listing)}; {layout}; set data.root"


def _describe_classes(listing: RootListing, layout: str) -> str:
    """Return the line about a root that has class folders in place of splits."""
    found = f"{listing.root} has folders of pictures ({', '.join(listing.folders)}) but no splits"
    if split_meant(listing.root.name) is None:
        return f"{found}; {layout}"
    above = format_override("data.root", listing.root.parent)
    return f"{found}: it is a split itself; set {above}"


def _folder_with_splits(root: Path) -> Path | None:
    """Return the folder in a root that has the splits, if there is one."""
    for entry in entries(root):
        folder = Path(entry.path)
        if not is_stray(entry.name) and any((folder / split).is_dir() for split in SPLITS):
            return folder
    return None


def _describe_empty(listing: RootListing) -> str:
    if not listing.skipped:
        return "is empty"
    skipped = describe_skipped(listing.root, listing.skipped, "that are no folders of pictures")
    return f"has no pictures ({skipped.partition(': ')[2]})"


def refuse_mixture(listing: RootListing) -> None:
    """Make sure that a root of pictures without labels has no other pictures in folders.

    Raises:
        DataError: it has splits, or folders with pictures, or no picture.
    """
    if listing.splits:
        raise DataError(
            f"{listing.root} has the splits {', '.join(listing.splits)}: pictures without labels"
            " are in a folder of their own"
        )
    if not listing.pictures:
        raise DataError(f"{listing.root} has no pictures right in it, to predict without labels")
    if listing.folders:
        raise DataError(
            f"{_count(listing)}; pictures without labels are all right in {listing.root}: move the"
            f" folders away; with labels {describe_layout(listing.root, 'SPLIT')}"
        )


def _count(listing: RootListing) -> str:
    pictures = f"{len(listing.pictures)} picture{'s' * (len(listing.pictures) != 1)}"
    return f"{listing.root} has {pictures} and folders of pictures ({', '.join(listing.folders)})"
