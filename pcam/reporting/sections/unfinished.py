"""The jobs that did not finish: why, and the commands that finish them."""

from collections.abc import Sequence

from pcam.reporting.page import Code, Part, Section, Table, Text
from pcam.sweeps.jobs import Job
from pcam.sweeps.state import has_later_job


def list_unfinished(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs that neither finished nor were pruned."""
    return [job for job in jobs if job.state not in ("finished", "pruned")]


def build_unfinished(jobs: Sequence[Job]) -> Section:
    """Return the unfinished jobs and those pruned outside of searches, with commands to type."""
    unfinished = list_unfinished(jobs)
    pruned = [job for job in jobs if job.state == "pruned" and not job.from_search]
    title = "Failed, pruned and missing jobs" if pruned else "Failed and missing jobs"
    rows = [[job.label, job.state, job.reason] for job in (*unfinished, *pruned)]
    if not rows:
        return Section(title)
    parts: list[Part] = [Table(["", "state", "why"], rows, "unfinished")]
    if any(_is_skipped(job) for job in unfinished):
        note = "A failed trial is not run again: the search continued without it."
        parts.append(Text(note, "soft"))
    commands = _commands(unfinished)
    if commands:
        parts += [Text("To run what is missing:"), Code(commands)]
    return Section(title, parts)


def _commands(unfinished: Sequence[Job]) -> list[str]:
    """Return the commands that finish the jobs, without those of sweeps that are still running."""
    running = {job.resume_command for job in unfinished if job.state == "running"}
    commands = dict.fromkeys(job.resume_command for job in unfinished if _can_finish(job))
    return [command for command in commands if command not in running]


def _can_finish(job: Job) -> bool:
    """Return whether the job's command can finish it; a damaged run needs its config for that."""
    readable = job.state != "damaged" or job.config is not None
    return readable and not _is_skipped(job)


def _is_skipped(job: Job) -> bool:
    """Return whether the job is a failed trial that its search has left behind."""
    return job.from_search and job.state == "failed" and has_later_job(job.folder)
