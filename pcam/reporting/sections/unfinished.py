"""The jobs that did not finish: why, and the commands that finish them."""

from collections.abc import Sequence

from pcam.reporting.page import Code, Part, Section, Table, Text
from pcam.sweeps.jobs import Job
from pcam.sweeps.state import has_later_job

SKIPPED_NOTE = "A failed trial is not run again: the search continued without it."


def list_unfinished(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs that neither finished nor were pruned."""
    return [job for job in jobs if job.state not in ("finished", "pruned")]


def build_unfinished(jobs: Sequence[Job]) -> Section:
    """Return the unfinished jobs and those pruned outside of searches, with commands to type.

    Args:
        jobs: all of them.
    """
    unfinished = list_unfinished(jobs)
    pruned = _list_pruned(jobs)
    title = "Failed, pruned and missing jobs" if pruned else "Failed and missing jobs"
    rows = [[job.label, job.state, job.reason] for job in (*unfinished, *pruned)]
    if not rows:
        return Section(title)
    parts: list[Part] = [Table(["", "state", "why"], rows, "unfinished")]
    if any(map(_is_skipped, unfinished)):
        parts.append(Text(SKIPPED_NOTE, "soft"))
    commands = _commands(unfinished)
    if commands:
        parts.append(Text("To run what is missing:"))
        parts.append(Code(commands))
    return Section(title, parts)


def _list_pruned(jobs: Sequence[Job]) -> list[Job]:
    """Return the pruned jobs outside of searches; a search lists its own."""
    pruned = [job for job in jobs if job.state == "pruned"]
    return [job for job in pruned if not job.from_search]


def _commands(unfinished: Sequence[Job]) -> list[str]:
    """Return the commands that finish the jobs, each once.

    A sweep with a running job needs none: it may reach the others by itself.

    Args:
        unfinished: jobs that neither finished nor were pruned.
    """
    running = {job.resume_command for job in unfinished if job.state == "running"}
    commands: dict[str, None] = {}
    for job in filter(_can_finish, unfinished):
        if job.resume_command not in running:
            commands[job.resume_command] = None
    return list(commands)


def _can_finish(job: Job) -> bool:
    """Return whether the job's command can finish it, which needs its config."""
    if job.state == "unreadable":
        return False
    readable = job.state != "damaged" or job.config is not None
    return readable and not _is_skipped(job)


def _is_skipped(job: Job) -> bool:
    """Return whether the job is a failed trial that its search has left behind."""
    return job.from_search and job.state == "failed" and has_later_job(job.folder)
