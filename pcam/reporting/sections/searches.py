"""The trials of each search; its best is chosen by valid only."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pcam.reporting.cells import figure_cell
from pcam.reporting.page import Fold, Part, Picture, Section, Table, Text
from pcam.reporting.study import auroc_of, best_by_valid, summary_of
from pcam.reporting.trial_plots import Trials, plot_trials
from pcam.sweeps.jobs import Job
from pcam.sweeps.varied import varied_values


def build_searches(jobs: Sequence[Job]) -> list[Section]:
    """Return a section for each search with at least two trials that have a summary.

    Args:
        jobs: all of them, trials or not.

    Returns:
        The sections, in the order of the searches' first trials.
    """
    sections: list[Section] = []
    for folder, trials in _group_by_search(jobs).items():
        scored = [job for job in trials if job.summary is not None]
        if len(scored) > 1:
            section = _build_search(folder.name, scored, len(sections))
            sections.append(section)
    return sections


def _group_by_search(jobs: Sequence[Job]) -> dict[Path, list[Job]]:
    """Return the trials of each search.

    Args:
        jobs: all of them; those outside of searches are left out.

    Returns:
        Trials by the folder of their search.
    """
    trials: dict[Path, list[Job]] = {}
    for job in jobs:
        if job.from_search:
            trials.setdefault(job.folder.parent, []).append(job)
    return trials


def _build_search(name: str, jobs: Sequence[Job], number: int) -> Section:
    """Return the best trial, the figure and the pruned trials of a search.

    Args:
        name: of its folder.
        jobs: trials with a summary, at least one.
        number: of the search on the page, for the name of its figure.

    Returns:
        A section.
    """
    trials = _trials(jobs)
    parts: list[Part] = []
    if trials.best is not None:
        parts.append(Text(_describe_best(jobs[trials.best])))
    picture = Picture(f"search-{number}.png", plot_trials(trials), "trials by valid AUROC")
    parts.append(picture)
    pruned = [[job.label, job.reason] for job in jobs if job.state == "pruned"]
    if pruned:
        parts.append(Fold(f"{len(pruned)} pruned", [Table(["", "why"], pruned)]))
    return Section(f"Search: {name}", parts)


def _trials(jobs: Sequence[Job]) -> Trials:
    """Return what the figure shows of a search's trials.

    Args:
        jobs: trials with a summary, at least one.
    """
    score = np.array([auroc_of(job, "valid") for job in jobs])
    return Trials(
        numbers=[int(job.folder.name) for job in jobs],
        values=_values_by_key(jobs),
        score=score,
        finished=[job.state == "finished" for job in jobs],
        best=None if np.isnan(score).all() else best_by_valid(jobs),
    )


def _values_by_key(jobs: Sequence[Job]) -> dict[str, list[object]]:
    """Return the value of each trial by key; None where a trial lacks it.

    The keys are those of the first trial.
    """
    values = [varied_values(job) for job in jobs]
    by_key = {}
    for key in values[0]:
        by_key[key] = [trial.get(key) for trial in values]
    return by_key


def _describe_best(job: Job) -> str:
    summary = summary_of(job)
    valid = figure_cell(summary["valid"]["auroc"])
    text = f"Best by valid AUROC, {valid}: {job.label}."
    if "test" in summary:
        test = figure_cell(summary["test"]["auroc"])
        text += f" Its test AUROC, which did not decide: {test}."
    return text
