"""Which slides a command predicts, and the folder of the results of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pcam.errors import DataError
from pcam.runs.files import match_paths

# Endings of files in a folder that are taken as slides; others are named on the command line.
SUFFIXES = frozenset(
    (
        *(".svs", ".tif", ".tiff", ".ndpi", ".vms", ".vmu", ".scn", ".mrxs", ".svslide", ".bif"),
        *(".czi", ".dcm", ".png", ".jpg", ".jpeg"),
    )
)


@dataclass(frozen=True)
class SlideFiles:
    """The slides of a command.

    Attributes:
        paths: of the files, each once.
        names: of their folders of results; unique.
        is_single: whether one file was named, whose results are right in the command's folder.
    """

    paths: list[Path]
    names: list[str]
    is_single: bool

    def folder(self, number: int, results: Path) -> Path:
        """Return the folder of the results of a slide.

        Args:
            number: of the slide.
            results: the command's folder.
        """
        return results if self.is_single else results / self.names[number]


def find_slides(given: str | Sequence[str]) -> SlideFiles:
    """Return the slides that ``slide`` names.

    Args:
        given: a file, a folder, a pattern, or a list of these.

    Raises:
        RunError: nothing matches.
        DataError: a folder has no slide.
    """
    patterns = [given] if isinstance(given, str) else list(given)
    if not patterns:
        raise DataError("slide=[] names no slide")
    paths: dict[Path, None] = {}
    for pattern in patterns:
        for path in match_paths(pattern, "slide"):
            found = _slides_in(path) if path.is_dir() else [path]
            paths.update(dict.fromkeys(one.absolute() for one in found))
    is_single = isinstance(given, str) and Path(given).is_file()
    return SlideFiles(list(paths), _unique_names(list(paths)), is_single)


def _slides_in(folder: Path) -> list[Path]:
    """Return the slides right in a folder, in alphabetical order."""
    found = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES]
    slides = [path for path in found if path.is_file() and not path.name.startswith(".")]
    if not slides:
        raise DataError(f"{folder} has no slide ({', '.join(sorted(SUFFIXES))})")
    return slides


def _unique_names(paths: Sequence[Path]) -> list[str]:
    """Return the names of files without their endings, numbered where they repeat."""
    names: list[str] = []
    for path in paths:
        name, number = path.stem, 1
        while name in names:
            number += 1
            name = f"{path.stem}-{number}"
        names.append(name)
    return names
