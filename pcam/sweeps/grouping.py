"""Labels of jobs, by what differs between them, and groups of jobs that differ in nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pcam.runs.identity import identifying_values, identity_key, run_identity, without_seeds
from pcam.sweeps.jobs import Job

if TYPE_CHECKING:
    from pathlib import Path

    from pcam.config.schema import TrainConfig

Identity = Mapping[str, object]

MAX_LABEL_KEYS = 5  # single runs that differ in more keys are labelled by their folders


def label_jobs(jobs: Sequence[Job]) -> list[Job]:
    """Return jobs with ``varies`` and ``label``: what differs between them.

    In a sweep these are the overrides that not all of its jobs have. In a search they are all
    overrides of a trial. Of single runs they are the keys that differ, or if these are too many to
    read, none: their folders are their labels.
    """
    configs = [job.config for job in jobs if job.config is not None and job.sweep is None]
    keys = varied_keys(configs)
    if len(keys) > MAX_LABEL_KEYS:
        keys = []
    sweeps = {job.folder.parent for job in jobs if job.sweep is not None}
    labelled = []
    for job in jobs:
        varies = _varying_overrides(job, jobs) or _varying_values(job, keys)
        label = _label(job, varies, several_sweeps=len(sweeps) > 1)
        labelled.append(replace(job, varies=tuple(varies), label=label))
    return _with_unique_labels(labelled)


def _varying_overrides(job: Job, jobs: Sequence[Job]) -> list[str]:
    """Return the overrides of a job that not all jobs of its sweep have; of a trial all."""
    if job.from_search:
        return list(job.overrides)
    siblings = [
        other for other in jobs if other.folder.parent == job.folder.parent and other.overrides
    ]
    return [
        word for word in job.overrides if any(word not in other.overrides for other in siblings)
    ]


def _varying_values(job: Job, keys: Sequence[str]) -> list[str]:
    """Return "key=value" of what varies of a job's config."""
    values = {} if job.config is None else varied_values(job, keys)
    return [f"{key}={format_value(value)}" for key, value in values.items()]


def _label(job: Job, varies: Sequence[str], several_sweeps: bool) -> str:
    """Return a job's label; the sweep's folder is a part of it if there are several sweeps."""
    number = job.folder.name
    sweep = [job.folder.parent.name] if several_sweeps else []
    if job.from_search:
        return " ".join([*sweep, f"trial {number}:", *varies])
    if varies:
        return " ".join([*(sweep if job.sweep is not None else []), *varies])
    if number.isdigit() and not several_sweeps:
        return f"job {number}"
    return _short_path(job.folder)


def _with_unique_labels(jobs: Sequence[Job]) -> list[Job]:
    """Add the folder to labels that several jobs have."""
    labels = [job.label for job in jobs]
    unique = []
    for job in jobs:
        if labels.count(job.label) > 1:
            job = replace(job, label=f"{job.label} ({_short_path(job.folder)})")
        unique.append(job)
    return unique


def _short_path(folder: Path) -> str:
    return "/".join(folder.parts[-2:])


def group_by_config(jobs: Sequence[Job], ignored: Collection[str]) -> list[tuple[str, list[Job]]]:
    """Group jobs that differ in nothing but some keys.

    Args:
        jobs: jobs with a config.
        ignored: keys, or whole sections, that jobs of one group may differ in.

    Returns:
        Groups, in the order of their first jobs. Each comes with what distinguishes it from the
        other groups of the same network: "optimizer.lr=0.001", or nothing.
    """
    groups: dict[str, list[Job]] = {}
    identities: dict[str, Identity] = {}
    for job in jobs:
        identity = _identity_without(job, ignored)
        key = identity_key(identity)
        identities[key] = identity
        groups.setdefault(key, []).append(job)
    labelled = []
    for key, members in groups.items():
        rivals = [
            identities[other]
            for other, its_members in groups.items()
            if _network(its_members[0]) == _network(members[0])
        ]
        distinction = ", ".join(_distinctions(identities[key], rivals))
        labelled.append((distinction, members))
    return labelled


def _identity_without(job: Job, ignored: Collection[str]) -> dict[str, object]:
    """Return a job's identity without some keys and sections."""
    if job.config is None:
        return {}
    identity = run_identity(job.config, job.summary, job.folder)
    kept = {}
    for key, value in identity.items():
        section = key.partition(".")[0]
        if key not in ignored and section not in ignored:
            kept[key] = value
    return kept


def _network(job: Job) -> tuple[str, str]:
    return job.network, job.scale


def _distinctions(identity: Identity, rivals: Sequence[Identity]) -> Iterator[str]:
    """Yield "key=value" for what distinguishes an identity from its rivals.

    The choice of a section ("aug=keras") comes first. It stands for all keys of the section but
    those that differ between rivals of the same choice.
    """
    differing = [key for key in identity if _differs(key, rivals)]
    choices = [key for key in differing if key.endswith(".name")]
    for key in choices:
        yield f"{key.removesuffix('.name')}={format_value(identity[key])}"
    for key in differing:
        if key in choices:
            continue
        choice = f"{key.partition('.')[0]}.name"
        if choice in choices:
            same_choice = [one for one in rivals if one.get(choice) == identity.get(choice)]
            if not _differs(key, same_choice):
                continue
        yield f"{key}={format_value(identity[key])}"


def _differs(key: str, identities: Sequence[Identity]) -> bool:
    """Return whether a key has several values."""
    return len({repr(identity.get(key)) for identity in identities}) > 1


def group_repeats(jobs: Sequence[Job]) -> dict[str, list[Job]]:
    """Group jobs that repeat each other with other seeds; return each group by its label."""
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        identity = (
            {}
            if job.config is None
            else without_seeds(run_identity(job.config, job.summary, job.folder))
        )
        groups.setdefault(identity_key(identity), []).append(job)
    labelled: dict[str, list[Job]] = {}
    for members in groups.values():
        label = _group_label(members)
        if label in labelled:
            label = f"{label}: {members[0].label}"
        labelled[label] = members
    return labelled


def _group_label(jobs: Sequence[Job]) -> str:
    """Return what all jobs of a group have in common, and how many they are."""
    first = jobs[0]
    if len(jobs) == 1:
        return first.label
    common = [word for word in first.varies if all(word in job.varies for job in jobs)]
    seeds = {job.config.seed for job in jobs if job.config is not None}
    kind = "seeds" if len(seeds) == len(jobs) else "runs"
    return f"{' '.join(common) or first.label} ({len(jobs)} {kind})"


def varied_values(job: Job, keys: Sequence[str] = ()) -> dict[str, object]:
    """Return the values of a job that vary.

    Args:
        job: a job with a config.
        keys: of a single run; a sweep names its own.
    """
    if job.sweep is not None:
        keys = list(map(str, job.sweep.get("varied") or ()))
    identity = {} if job.config is None else identifying_values(job.config)
    values = {}
    for key in keys:
        for candidate in (key, f"{key}.name"):
            if candidate in identity:
                values[key] = identity[candidate]
                break
    return values


def varied_keys(configs: Sequence[TrainConfig]) -> list[str]:
    """Return the keys that decide the figures and differ between configs.

    A section whose choice differs is represented by the choice, and ``splits.seed`` by the seed
    that it follows.
    """
    identities = [identifying_values(config) for config in configs]
    keys = dict.fromkeys(key for identity in identities for key in identity)
    differing = [key for key in keys if _differs(key, identities)]
    if "seed" in differing:
        differing = [key for key in differing if key != "splits.seed"]
    chosen = {key.removesuffix(".name") for key in differing if key.endswith(".name")}
    return [
        key for key in differing if key.endswith(".name") or key.partition(".")[0] not in chosen
    ]


def format_value(value: object) -> str:
    """Return a config's value as a table shows it."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
