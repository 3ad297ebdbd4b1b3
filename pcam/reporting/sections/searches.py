"""The trials of each search; its best is chosen by valid only."""

from collections.abc import Sequence

import numpy as np

from pcam.reporting.cells import figure_cell
from pcam.reporting.comparison import auroc_of, summary_of
from pcam.reporting.page import Fold, Part, Picture, Section, Table, Text
from pcam.reporting.trial_plots import Floats, Trials, plot_trials
from pcam.sweeps.grouping import varied_values
from pcam.sweeps.jobs import Job


def build_searches(jobs: Sequence[Job]) -> list[Section]:
    """Return a section for each search with at least two trials that have a summary."""
    sections: list[Section] = []
    for folder in dict.fromkeys(job.folder.parent for job in jobs if job.from_search):
        trials = [job for job in jobs if job.folder.parent == folder]
        scored = [job for job in trials if job.summary is not None]
        if len(scored) > 1:
            sections.append(_build_search(folder.name, scored, len(sections)))
    return sections


def _build_search(name: str, jobs: Sequence[Job], number: int) -> Section:
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
    values = [varied_values(job) for job in jobs]
    by_key = {}
    for key in values[0]:
        by_key[key] = [trial.get(key) for trial in values]
    return Trials(
        numbers=[int(job.folder.name) for job in jobs],
        values=by_key,
        score=score,
        finished=[job.state == "finished" for job in jobs],
        best=_best_position(score),
    )


def _best_position(score: Floats) -> int | None:
    """Return the position of the largest score, None if all are NaN."""
    if np.isnan(score).all():
        return None
    return int(np.nanargmax(score))


def _describe_best(job: Job) -> str:
    summary = summary_of(job)
    valid = figure_cell(summary["valid"]["auroc"])
    text = f"Best by valid AUROC, {valid}: {job.label}."
    if "test" in summary:
        test = figure_cell(summary["test"]["auroc"])
        text += f" Its test AUROC, which did not decide: {test}."
    return text
