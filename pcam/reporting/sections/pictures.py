"""Pictures that trainings and other commands have written."""

from collections.abc import Sequence
from pathlib import Path

from pcam.errors import RunError
from pcam.reporting.page import Fold, Part, Picture, Section, Text
from pcam.runs.figures import read_png
from pcam.runs.files import match_paths, read_json
from pcam.sweeps.jobs import Job


def build_maps(jobs: Sequence[Job]) -> Section:
    """Return the last attribution maps that each training has drawn.

    Args:
        jobs: all of them.
    """
    parts: list[Part] = []
    for number, job in enumerate(jobs):
        folder = job.folder / "figures" / "attribution"
        drawn = sorted(folder.glob("epoch-*.png"))
        if drawn:
            last = drawn[-1]
            shown = _picture(f"maps-{number}.png", last, job.folder, job.label)
            parts.append(Fold(f"{job.label}, {last.stem}", [shown]))
    return Section("Maps at the end of training", parts)


def build_other_pictures(also: str | Sequence[str]) -> Section:
    """Return the pictures of other commands.

    Args:
        also: folders that other commands have written, or globs of these.

    Raises:
        RunError: a folder has no figures.
    """
    words = [also] if isinstance(also, str) else also
    parts: list[Part] = []
    for word in words:
        for folder in match_paths(word, "also"):
            figures = _find_figures(folder)
            parts.append(Text(_describe_folder(folder), "soft"))
            for figure in figures:
                name = f"also-{len(parts)}-{figure.name}"
                caption = figure.stem.replace("_", " ")
                parts.append(_picture(name, figure, folder, caption))
    return Section("From other commands", parts)


def _picture(name: str, path: Path, folder: Path, caption: str) -> Part:
    """Return a picture of a folder, or that it is left out.

    Args:
        name: of the picture in the report.
        path: of the file.
        folder: that a command has written.
        caption: below the picture.
    """
    content = read_png(path, folder)
    if content is None:
        return Text(f"{path.relative_to(folder)} is left out: it is not a PNG of this folder")
    return Picture(name, content, caption)


def _find_figures(folder: Path) -> list[Path]:
    """Return a folder's figures, else those of its subfolders.

    Raises:
        RunError: there are none.
    """
    figures = sorted(folder.glob("figures/*.png"))
    if not figures:
        figures = sorted(folder.glob("*/figures/*.png"))
    if not figures:
        raise RunError(
            f"also: {folder} has no figures; name a folder that another command has written"
        )
    return figures


def _describe_folder(folder: Path) -> str:
    summary = read_json(folder / "summary.json") or {}
    run = summary.get("run")
    return f"{folder.name}: of {Path(run).name}" if run else folder.name
