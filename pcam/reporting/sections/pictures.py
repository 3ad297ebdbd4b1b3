"""Pictures that trainings and other commands have written."""

from collections.abc import Sequence
from pathlib import Path

from pcam.errors import RunError
from pcam.reporting.page import Fold, Part, Picture, Section, Text
from pcam.runs.files import match_paths, read_json
from pcam.sweeps.jobs import Job


def build_maps(jobs: Sequence[Job]) -> Section:
    """Return the last attribution maps that each training has drawn.

    Args:
        jobs: all of them.
    """
    parts = []
    for number, job in enumerate(jobs):
        folder = job.folder / "figures" / "attribution"
        drawn = sorted(folder.glob("epoch-*.png"))
        if drawn:
            last = drawn[-1]
            picture = Picture(f"maps-{number}.png", last.read_bytes(), job.label)
            parts.append(Fold(f"{job.label}, {last.stem}", [picture]))
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
                parts.append(Picture(name, figure.read_bytes(), caption))
    return Section("From other commands", parts)


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
