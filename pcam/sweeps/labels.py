"""Labels of jobs, by what differs between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pcam.sweeps.jobs import Job

if TYPE_CHECKING:
    from pathlib import Path

from pcam.sweeps.varied import configs_of, format_value, shared_words, varied_keys, varied_values

MAX_LABEL_KEYS = 5  # single runs that differ in more keys are labelled by their folders


def label_jobs(jobs: Sequence[Job]) -> list[Job]:
    """Return jobs with ``varies`` and ``label``: what differs between them.

    In a sweep these are the overrides that not all of its jobs have. In a search they are all
    overrides of a trial. Of single runs they are the keys that differ, or if these are too many to
    read, none: their folders are their labels.

    Args:
        jobs: of any sweeps, searches and single runs.

    Returns:
        The same jobs, in the same order, each with a label that no other has.
    """
    keys = _keys_of_single_runs(jobs)
    sweeps = {job.folder.parent for job in jobs if job.sweep is not None}
    several_sweeps = len(sweeps) > 1
    labelled = []
    for job in jobs:
        varies = _varying_overrides(job, jobs) or _varying_values(job, keys)
        label = _label(job, varies, several_sweeps)
        labelled.append(replace(job, varies=tuple(varies), label=label))
    return _with_unique_labels(labelled)


def _keys_of_single_runs(jobs: Sequence[Job]) -> list[str]:
    """Return the keys that label runs outside of sweeps; none if they are too many to read.

    Args:
        jobs: of any sweeps, searches and single runs.
    """
    single = [job for job in jobs if job.sweep is None]
    keys = varied_keys(configs_of(single))
    if len(keys) > MAX_LABEL_KEYS:
        return []
    return keys


def _varying_overrides(job: Job, jobs: Sequence[Job]) -> list[str]:
    """Return the overrides that distinguish a job within its sweep.

    Args:
        job: one of ``jobs``.
        jobs: of any sweeps.

    Returns:
        The overrides that not all jobs of the sweep have; of a search's trial all.
    """
    if job.from_search:
        return list(job.overrides)
    sweep = job.folder.parent
    siblings = [other.overrides for other in jobs if other.folder.parent == sweep]
    shared = shared_words([words for words in siblings if words])
    return [word for word in job.overrides if word not in shared]


def _varying_values(job: Job, keys: Sequence[str]) -> list[str]:
    """Return "key=value" of what varies of a job's config."""
    values = {} if job.config is None else varied_values(job, keys)
    return [f"{key}={format_value(value)}" for key, value in values.items()]


def _label(job: Job, varies: Sequence[str], several_sweeps: bool) -> str:
    """Return a job's label.

    Args:
        job: of a sweep, of a search, or a single run.
        varies: what differs between it and the others.
        several_sweeps: whether the name of its sweep's folder is needed too.

    Returns:
        "trial 3: optimizer.lr=0.01", "aug=none seed=1", "job 3", or the last parts of its folder.
    """
    number = job.folder.name
    words = list(varies)
    if job.from_search:
        words.insert(0, f"trial {number}:")
    if words:
        if several_sweeps and job.sweep is not None:
            words.insert(0, job.folder.parent.name)
        return " ".join(words)
    if number.isdigit() and not several_sweeps:
        return f"job {number}"
    return _short_path(job.folder)


def _with_unique_labels(jobs: Sequence[Job]) -> list[Job]:
    """Add the folder to labels that several jobs have.

    Args:
        jobs: with labels.

    Returns:
        The same jobs, in the same order.
    """
    counts = Counter(job.label for job in jobs)
    unique = []
    for job in jobs:
        label = job.label
        if counts[label] > 1:
            label = f"{label} ({_short_path(job.folder)})"
        unique.append(replace(job, label=label))
    return unique


def _short_path(folder: Path) -> str:
    return "/".join(folder.parts[-2:])
