"""The page's title, and what to know before the first section."""

from collections import Counter
from collections.abc import Sequence

from pcam.reporting.cells import count_jobs
from pcam.reporting.comparison import Study
from pcam.reporting.page import Part, Text
from pcam.stats.intervals import unit
from pcam.sweeps.jobs import Job

SCALE_NOTE = "smaller networks, fewer patches and fewer epochs than the study's."
REPEATS_NOTE = "as config, seed, patches and weights are equal"


def build_title(title: str | None, jobs: Sequence[Job]) -> str:
    """Return the page's title, with the scale unless it is full.

    Args:
        title: as set; None for the names of the experiments.
        jobs: all of them.
    """
    experiments = dict.fromkeys(job.experiment for job in jobs)
    names = ", ".join(filter(None, experiments))
    name = title or names or "Runs"
    scales = _small_scales(jobs)
    return f"{name} ({', '.join(scales)})" if scales else name


def build_lead(jobs: Sequence[Job], study: Study, repeats: Sequence[str]) -> list[Part]:
    """Return the summary of the jobs and the notices.

    Args:
        jobs: all of them.
        study: the jobs that count.
        repeats: sentences about the jobs that do not count, as they repeat another.
    """
    parts: list[Part] = [Text(_summary(jobs, study), "soft")]
    parts += [Text(notice, "notice") for notice in _notices(jobs, study, repeats)]
    return parts


def _small_scales(jobs: Sequence[Job]) -> list[str]:
    scales = dict.fromkeys(job.scale for job in jobs if job.config is not None)
    return [scale for scale in scales if scale != "full"]


def _data_names(jobs: Sequence[Job]) -> list[str]:
    return list(dict.fromkeys(job.data for job in jobs if job.config is not None))


def _summary(jobs: Sequence[Job], study: Study) -> str:
    """Return how many jobs have which state, their data, and what the figures are of."""
    states = Counter(job.state for job in jobs)
    text = f"{count_jobs(len(jobs))}: "
    text += ", ".join(f"{count} {state}" for state, count in states.items())
    data = _data_names(jobs)
    if data:
        text += f"; data: {', '.join(data)}; figures of {study.split}, 95 % intervals"
        compared = study.comparable(study.scored)
        if compared:
            text += f" over {unit(study.align(compared).slides)}"
    return text


def _notices(jobs: Sequence[Job], study: Study, repeats: Sequence[str]) -> list[str]:
    """Return what must not be missed; the arguments are those of ``build_lead``."""
    notices = []
    scales = ", ".join(_small_scales(jobs))
    if scales:
        notices.append(f"scale={scales}: {SCALE_NOTE}")
    if "synthetic" in _data_names(jobs):
        notices.append("Synthetic patches: these figures do not apply to real tissue.")
    lacking = ", ".join(job.label for job in jobs if _lacks_figures(job, study.split))
    if lacking:
        notices.append(f"No figures of {study.split}: {lacking}")
    if study.excluded and len(study.scored) > 1:
        notices.append(f"Not compared with the others: {_describe_excluded(study)}")
    if repeats:
        notices.append(f"Counted once, {REPEATS_NOTE}: {'; '.join(repeats)}")
    pruned = ", ".join(job.label for job in jobs if job.state == "pruned" and not job.from_search)
    if pruned:
        notices.append(f"Pruned, so only in the first table: {pruned}")
    return notices


def _describe_excluded(study: Study) -> str:
    """Return the jobs that cannot be compared, with the reasons."""
    reasons = [f"{', '.join(names)} ({reason})" for reason, names in study.excluded.items()]
    return "; ".join(reasons)


def _lacks_figures(job: Job, split: str) -> bool:
    return job.summary is not None and split not in job.summary
