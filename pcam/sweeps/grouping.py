"""Groups of jobs that differ in nothing but some keys, or in nothing but their seeds."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from pcam.runs.identity import identity_key, run_identity, without_seeds
from pcam.sweeps.jobs import Job

if TYPE_CHECKING:
    pass
from pcam.sweeps.varied import Identity, configs_of, differs, format_value, section_of, shared_words


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
    by_network: dict[tuple[str, str], dict[str, Identity]] = {}
    for job in jobs:
        identity = _identity_without(job, ignored)
        key = identity_key(identity)
        identities[key] = identity
        groups.setdefault(key, []).append(job)
    for key, members in groups.items():
        by_network.setdefault(_network(members[0]), {})[key] = identities[key]
    labelled = []
    for key, members in groups.items():
        rivals = list(by_network[_network(members[0])].values())
        distinction = ", ".join(_distinctions(identities[key], rivals))
        labelled.append((distinction, members))
    return labelled


def _identity_without(job: Job, ignored: Collection[str]) -> dict[str, object]:
    """Return a job's identity without some keys and sections.

    Args:
        job: one without a config has an empty identity.
        ignored: keys, or whole sections.
    """
    if job.config is None:
        return {}
    identity = run_identity(job.config, job.summary, job.folder)
    kept = {}
    for key, value in identity.items():
        names = {key, section_of(key)}
        if names.isdisjoint(ignored):
            kept[key] = value
    return kept


def _network(job: Job) -> tuple[str, str]:
    return job.network, job.scale


def _distinctions(identity: Identity, rivals: Sequence[Identity]) -> list[str]:
    """Return "key=value" for what distinguishes an identity from its rivals.

    The choice of a section ("aug=keras") comes first. It stands for all keys of the section but
    those that differ between rivals of the same choice.

    Args:
        identity: one of the rivals.
        rivals: all identities of the same network.
    """
    differing = [key for key in identity if differs(key, rivals)]
    choices = [key for key in differing if key.endswith(".name")]
    distinguishing = list(choices)
    for key in differing:
        choice = f"{section_of(key)}.name"
        compared = _equal_in(choice, identity, rivals) if choice in choices else rivals
        if key not in choices and differs(key, compared):
            distinguishing.append(key)
    words = []
    for key in distinguishing:
        words.append(f"{key.removesuffix('.name')}={format_value(identity[key])}")
    return words


def _equal_in(key: str, identity: Identity, rivals: Sequence[Identity]) -> list[Identity]:
    """Return the rivals with the same value of a key."""
    return [rival for rival in rivals if rival.get(key) == identity.get(key)]


def group_repeats(jobs: Sequence[Job]) -> dict[str, list[Job]]:
    """Group jobs that repeat each other with other seeds.

    Args:
        jobs: those without a config are one group.

    Returns:
        Each group by its label, in the order of their first jobs.
    """
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(_repeat_key(job), []).append(job)
    labelled: dict[str, list[Job]] = {}
    for members in groups.values():
        label = _group_label(members)
        if label in labelled:
            label = f"{label}: {members[0].label}"
        labelled[label] = members
    return labelled


def _repeat_key(job: Job) -> str:
    """Return a key that jobs share if they differ in nothing but their seeds."""
    if job.config is None:
        return identity_key({})
    identity = run_identity(job.config, job.summary, job.folder)
    return identity_key(without_seeds(identity))


def _group_label(jobs: Sequence[Job]) -> str:
    """Return what all jobs of a group have in common, and how many they are.

    Returns:
        "aug=none (3 seeds)"; of one job its own label.
    """
    first = jobs[0]
    if len(jobs) == 1:
        return first.label
    shared = shared_words([job.varies for job in jobs])
    common = " ".join(word for word in first.varies if word in shared)
    seeds = {config.seed for config in configs_of(jobs)}
    kind = "seeds" if len(seeds) == len(jobs) else "runs"
    label = common or first.label
    return f"{label} ({len(jobs)} {kind})"
