"""The pictures in a folder of patches: by class folder, without the files that systems leave."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from pcam.data.provider import SPLITS
from pcam.data.storage.images import check_header, is_image
from pcam.errors import DataError

# What file managers, archives and editors leave, in lower case; hidden names begin with a dot.
STRAYS = frozenset(
    ("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "@eadir")
)
MOST_NAMED = 5  # skipped names in a message


@dataclass(frozen=True)
class Listing:
    """The pictures of a split's folder.

    Attributes:
        folder: the split's.
        classes: pictures by class folder; empty if the pictures are right in the folder.
        pictures: right in the folder, if there are no class folders.
        skipped: what is neither a class nor a picture of one, relative to the folder.
    """

    folder: Path
    classes: dict[str, list[Path]]
    pictures: list[Path]
    skipped: list[str]

    @property
    def paths(self) -> list[Path]:
        """All pictures, in the order of their paths."""
        paths = list(self.pictures)
        for found in self.classes.values():
            paths += found
        return sorted(paths)

    def describe_skipped(self) -> str:
        """Return what was skipped, in a line; empty if nothing was."""
        return describe_skipped(self.folder, self.skipped, "that are no pictures of a class")


def describe_skipped(folder: Path, skipped: Sequence[str], what: str) -> str:
    """Return what was skipped in a folder, in a line; empty if nothing was.

    Args:
        folder: where it is.
        skipped: names, relative to the folder.
        what: they are: "that are no splits".
    """
    if not skipped:
        return ""
    named = ", ".join(skipped[:MOST_NAMED])
    more = ", …" if len(skipped) > MOST_NAMED else ""
    return f"{folder}: skipped {len(skipped)} {what}: {named}{more}"


def list_split(folder: Path) -> Listing:
    """List a split's folder: class folders with pictures, or else pictures right in it."""
    classes: dict[str, list[Path]] = {}
    pictures: list[Path] = []
    skipped: list[str] = []
    for entry in entries(folder):
        if is_stray(entry.name):
            skipped.append(entry.name)
        elif entry.is_dir():
            found, others = _list_class(Path(entry.path))
            skipped += others
            if found:
                classes[entry.name] = found
        elif is_image(Path(entry.name)):
            pictures.append(Path(entry.path))
        else:
            skipped.append(entry.name)
    if classes:
        skipped += [path.name for path in pictures]
        pictures = []
    return Listing(folder, classes, pictures, sorted(skipped))


def _list_class(folder: Path) -> tuple[list[Path], list[str]]:
    """Return the pictures in a class folder, and what else is in it; it alone if it has none."""
    pictures: list[Path] = []
    others: list[str] = []
    for entry in entries(folder):
        if is_picture(entry):
            pictures.append(Path(entry.path))
        else:
            others.append(f"{folder.name}/{entry.name}")
    if not pictures:
        return [], [f"{folder.name} (a folder without pictures)"]
    return pictures, others


def class_folders(folder: Path) -> list[str]:
    """Return the names of the class folders of a split: those with a picture."""
    if not folder.is_dir():
        return []
    names = []
    for entry in entries(folder):
        if entry.is_dir() and not is_stray(entry.name) and has_pictures(Path(entry.path)):
            names.append(entry.name)
    return names


def has_pictures(folder: Path) -> bool:
    """Return whether pictures are right in a folder."""
    return folder.is_dir() and any(is_picture(entry) for entry in entries(folder))


def is_flat(root: Path) -> bool:
    """Return whether a root has no folders of splits, but pictures right in it."""
    has_splits = any((root / split).is_dir() for split in SPLITS)
    return not has_splits and has_pictures(root)


def is_picture(entry: "os.DirEntry[str]") -> bool:
    """Return whether an entry of a folder is a picture by its name.

    A pipe with such a name is one: its header is refused, so that nothing is left out in silence.
    """
    return not is_stray(entry.name) and is_image(Path(entry.name)) and not entry.is_dir()


def is_stray(name: str) -> bool:
    """Return whether a file or folder is one that systems leave."""
    return name.startswith(".") or name.casefold() in STRAYS


def entries(folder: Path) -> "Iterator[os.DirEntry[str]]":
    """Yield the entries of a folder in the order of their names.

    Raises:
        DataError: the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({os.strerror(error.errno or 0)})") from error
    yield from found


def check_headers(paths: Sequence[Path], max_side: int) -> tuple[int, int]:
    """Read the header of every picture; return height and width, which all have.

    Raises:
        DataError: a header cannot be read, or a picture has another size than the first.
    """
    first: tuple[int, int] | None = None
    bar = tqdm(paths, unit="picture", desc=f"checking {paths[0].parent}", disable=None, leave=False)
    for path in bar:
        size = check_header(path, max_side)
        first = first or size
        if size != first:
            raise DataError(
                f"{path} is {format_size(size)} pixels, {paths[0]} is {format_size(first)};"
                " all patches must have one size"
            )
    assert first is not None
    return first


def format_size(size: tuple[int, int]) -> str:
    """Return "WIDTHxHEIGHT" of a height and a width."""
    return f"{size[1]}x{size[0]}"
