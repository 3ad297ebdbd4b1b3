"""Finished jobs of sweeps and single runs, as ``find_jobs`` reads them."""

from dataclasses import replace
from pathlib import Path

from pcam.sweeps.jobs import Job
from pcam.sweeps.state import SweepRecord
from tests.run import composed, summary_with


def finished_run(folder: str, *words: str) -> Job:
    """Return a single run as ``find_jobs`` reads it."""
    summary = summary_with(0.9, 0.8)
    return Job(Path("/runs") / folder, "finished", config=composed(*words), summary=summary)


def sweep_jobs(name: str, *overrides: str, varied: str) -> list[Job]:
    """Return the jobs of a sweep over one key."""
    words = [[word] for word in overrides]
    record: SweepRecord = {"words": list(overrides), "jobs": words, "varied": [varied]}
    jobs = []
    for number, override in enumerate(overrides):
        job = finished_run(f"{name}/{number}", override)
        jobs.append(replace(job, sweep=record, overrides=("model=small", override)))
    return jobs
