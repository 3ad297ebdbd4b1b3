"""The commands that repeat each part of the page."""

from collections.abc import Sequence
from pathlib import Path

from pcam.config.schema import ReportConfig
from pcam.errors import format_override
from pcam.reporting.page import Code, Section
from pcam.reporting.study import Study, best_by_valid
from pcam.sweeps.jobs import Job

RUN_COMMANDS = ("evaluate", "attribute", "bias")


def build_commands(jobs: Sequence[Job], study: Study, config: ReportConfig) -> Section:
    """Return a command for each part of the page.

    Args:
        jobs: all of them.
        study: the jobs that count.
        config: of this report.
    """
    this_page = " ".join(report_overrides(config))
    lines = [
        *_sweep_commands(jobs),
        f"python -m pcam.report {this_page}   # this page",
        *_comparison_commands(study),
        *_run_commands(jobs, study.split),
    ]
    return Section("To repeat each part", [Code(lines)])


def _sweep_commands(jobs: Sequence[Job]) -> list[str]:
    """Return the command of each sweep."""
    commands = dict.fromkeys(job.resume_command for job in jobs if job.sweep is not None)
    return [f"{command}   # the runs" for command in commands]


def _comparison_commands(study: Study) -> list[str]:
    """Return the commands that compare and combine the runs.

    Args:
        study: the jobs that count.

    Returns:
        Two commands; none for fewer than two runs.
    """
    compared = study.comparable(study.scored)
    if len(compared) < 2:
        return []
    runs = format_override("runs", [str(job.folder) for job in compared])
    split = _split_override(study.split)
    return [
        f"python -m pcam.compare {runs}{split}   # differences",
        f"python -m pcam.ensemble {runs}{split}   # votes, of all of them",
    ]


def _run_commands(jobs: Sequence[Job], split: str) -> list[str]:
    """Return the commands that look closer at single runs.

    Args:
        jobs: all of them.
        split: of the figures.
    """
    scored = [job for job in jobs if _has_figures(job, split)]
    lines = []
    for job in _examples(scored):
        run = format_override("run", str(job.folder))
        for name in RUN_COMMANDS:
            lines.append(f"python -m pcam.{name} {run}{_split_override(split)}")
    return lines


def _has_figures(job: Job, split: str) -> bool:
    return job.summary is not None and split in job.summary


def _split_override(split: str) -> str:
    """Return " split=valid"; "" for test, which is every command's default."""
    return "" if split == "test" else f" split={split}"


def _examples(jobs: Sequence[Job]) -> list[Job]:
    """Return the runs to look at: the first outside of searches, and the best of each search.

    Args:
        jobs: with figures of the split.

    Returns:
        Some of the jobs; the best trials are chosen by valid.
    """
    outside: list[Job] = []
    searches: dict[Path, list[Job]] = {}
    for job in jobs:
        if job.from_search:
            searches.setdefault(job.folder.parent, []).append(job)
        else:
            outside.append(job)
    best = [trials[best_by_valid(trials)] for trials in searches.values()]
    return outside[:1] + best


def report_overrides(config: ReportConfig) -> list[str]:
    """Return the key=value words that make the same report from any folder.

    Args:
        config: of the report.
    """
    words = [_folders("runs", config.runs)]
    if config.also:
        words.append(_folders("also", config.also))
    if config.title:
        words.append(format_override("title", config.title))
    if config.gallery:
        words.append(f"gallery={config.gallery}")
    words.append(f"split={config.split}")
    words.append(f"resamples={config.resamples}")
    words.append(f"seed={config.seed}")
    return words


def _folders(key: str, value: str | Sequence[str]) -> str:
    """Return an override with the absolute paths of folders.

    Args:
        key: of the override.
        value: one folder or several, or globs.

    Returns:
        "runs=/a/b" for one folder, "runs=[/a/b,/a/c]" for several.
    """
    if isinstance(value, str):
        return format_override(key, str(Path(value).absolute()))
    paths = [str(Path(word).absolute()) for word in value]
    if len(paths) == 1:
        return format_override(key, paths[0])
    return format_override(key, paths)
