"""The page's title, and what to know before the first section."""

from collections import Counter
from collections.abc import Sequence

from pcam.reporting.cells import count_jobs
from pcam.reporting.page import Part, Text
from pcam.reporting.study import Study, summary_of
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
    scales = ", ".join(_small_scales(jobs))
    return f"{name} ({scales})" if scales else name


def _started(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs whose config can be read."""
    return [job for job in jobs if job.config is not None]


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
    """Return the scales of the jobs but "full", each once.

    Args:
        jobs: all of them; those without a config are left out.
    """
    scales = dict.fromkeys(job.scale for job in _started(jobs))
    scales.pop("full", None)
    return list(scales)


def _data_names(jobs: Sequence[Job]) -> list[str]:
    return list(dict.fromkeys(job.data for job in _started(jobs)))


def _summary(jobs: Sequence[Job], study: Study) -> str:
    """Return how many jobs have which state, their data, and what the figures are of."""
    states = Counter(job.state for job in jobs)
    counts = ", ".join(f"{count} {state}" for state, count in states.items())
    text = f"{count_jobs(len(jobs))}: {counts}"
    data = ", ".join(_data_names(jobs))
    if not data:
        return text
    text += f"; data: {data}; figures of {study.split}, 95 % intervals"
    compared = study.comparable(study.scored)
    if not compared:
        return text
    return f"{text} over {unit(study.align(compared).slides)}"


def _notices(jobs: Sequence[Job], study: Study, repeats: Sequence[str]) -> list[str]:
    """Return what must not be missed; the arguments are those of ``build_lead``."""
    return [
        *_data_notices(jobs),
        *_class_notices(study),
        *_lacking_notices(jobs, study),
        *_counting_notices(jobs, repeats),
    ]


def _data_notices(jobs: Sequence[Job]) -> list[str]:
    """Return why the figures cannot be compared with the study's, or with real tissue's.

    Args:
        jobs: all of them.

    Returns:
        Sentences; none for full runs on real patches.
    """
    notices = []
    scales = ", ".join(_small_scales(jobs))
    if scales:
        notices.append(f"scale={scales}: {SCALE_NOTE}")
    if "synthetic" in _data_names(jobs):
        notices.append("Synthetic patches: these figures do not apply to real tissue.")
    return notices


def _class_notices(study: Study) -> list[str]:
    """Return which class the figures call positive, or which jobs call which so."""
    jobs_by_class: dict[str, list[str]] = {}
    for job in study.scored:
        classes = summary_of(job).get("classes")
        if classes is not None:
            jobs_by_class.setdefault(str(classes[1]), []).append(job.label)
    if len(jobs_by_class) < 2:
        return [f"Positive class: {name}." for name in jobs_by_class]
    listed = [f"{name} ({', '.join(labels)})" for name, labels in jobs_by_class.items()]
    return [f"The positive class is not the same: {'; '.join(listed)}"]


def _lacking_notices(jobs: Sequence[Job], study: Study) -> list[str]:
    """Return which jobs have no figures, or none to compare.

    Args:
        jobs: all of them.
        study: the jobs that count.
    """
    notices = []
    lacking = [job.label for job in jobs if _lacks_figures(job, study.split)]
    if lacking:
        notices.append(f"No figures of {study.split}: {', '.join(lacking)}")
    if study.excluded and len(study.scored) > 1:
        notices.append(f"Not compared with the others: {_describe_excluded(study)}")
    return notices


def _counting_notices(jobs: Sequence[Job], repeats: Sequence[str]) -> list[str]:
    """Return which jobs are not in the tables, or in only some.

    Args:
        jobs: all of them.
        repeats: sentences about the jobs that do not count, as they repeat another.
    """
    notices = []
    if repeats:
        notices.append(f"Counted once, {REPEATS_NOTE}: {'; '.join(repeats)}")
    pruned = [job.label for job in jobs if job.state == "pruned" and not job.from_search]
    if pruned:
        notices.append(f"Pruned, so only in the first table: {', '.join(pruned)}")
    return notices


def _describe_excluded(study: Study) -> str:
    """Return the jobs that cannot be compared, with the reasons."""
    reasons = [f"{', '.join(names)} ({reason})" for reason, names in study.excluded.items()]
    return "; ".join(reasons)


def _lacks_figures(job: Job, split: str) -> bool:
    return job.summary is not None and split not in job.summary
