"""The commands that repeat each part of the page."""

from collections.abc import Sequence
from pathlib import Path

from pcam.config.schema import ReportConfig
from pcam.errors import format_override
from pcam.reporting.comparison import Study, auroc_of
from pcam.reporting.page import Code, Section
from pcam.sweeps.jobs import Job

RUN_COMMANDS = ("evaluate", "attribute", "bias")


def build_commands(jobs: Sequence[Job], study: Study, config: ReportConfig) -> Section:
    """Return a command for each part of the page.

    Args:
        jobs: all of them.
        study: the jobs that count.
        config: of this report.
    """
    sweeps = dict.fromkeys(job.resume_command for job in jobs if job.sweep is not None)
    lines = [f"{command}   # the runs" for command in sweeps]
    lines.append(f"python -m pcam.report {' '.join(report_overrides(config))}   # this page")
    split = "" if study.split == "test" else f" split={study.split}"
    compared = study.comparable(study.scored)
    if len(compared) > 1:
        runs = format_override("runs", [str(job.folder) for job in compared])
        lines.append(f"python -m pcam.compare {runs}{split}   # differences")
        lines.append(f"python -m pcam.ensemble {runs}{split}   # votes, of all of them")
    scored = [job for job in jobs if job.summary is not None and study.split in job.summary]
    for job in _examples(scored):
        run = format_override("run", str(job.folder))
        lines += [f"python -m pcam.{name} {run}{split}" for name in RUN_COMMANDS]
    return Section("To repeat each part", [Code(lines)])


def _examples(jobs: Sequence[Job]) -> list[Job]:
    """Return the runs to look at: the first outside of searches, and the best of each search.

    Args:
        jobs: with figures of the split; the best trial is chosen by valid.
    """
    examples = [job for job in jobs if not job.from_search][:1]
    searches: dict[Path, list[Job]] = {}
    for job in jobs:
        if job.from_search:
            searches.setdefault(job.folder.parent, []).append(job)
    return examples + [max(trials, key=_valid_auroc) for trials in searches.values()]


def _valid_auroc(job: Job) -> float:
    """Return a job's AUROC of valid, -1 if it has none."""
    value = auroc_of(job, "valid")
    return -1.0 if value != value else value


def report_overrides(config: ReportConfig) -> list[str]:
    """Return the key=value words that make the same report from any folder."""
    words = [_folders("runs", config.runs)]
    if config.also:
        words.append(_folders("also", config.also))
    if config.title:
        words.append(format_override("title", config.title))
    return [*words, f"split={config.split}", f"resamples={config.resamples}", f"seed={config.seed}"]


def _folders(key: str, value: str | Sequence[str]) -> str:
    """Return an override with the absolute paths of folders.

    Args:
        key: of the override.
        value: one folder or several, or globs.
    """
    if isinstance(value, str):
        return format_override(key, str(Path(value).absolute()))
    paths = [str(Path(word).absolute()) for word in value]
    if len(paths) == 1:
        return format_override(key, paths[0])
    return format_override(key, paths)
