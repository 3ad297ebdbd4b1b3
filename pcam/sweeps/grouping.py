"""Labels of jobs, by what differs between them, and groups of jobs that differ in nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
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
    keys = varied_keys(_configs(single))
    if len(keys) > MAX_LABEL_KEYS:
        return []
    return keys


def _configs(jobs: Sequence[Job]) -> list[TrainConfig]:
    """Return the configs of the jobs that have one."""
    configs = []
    for job in jobs:
        if job.config is not None:
            configs.append(job.config)
    return configs


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
    shared = _shared_words([words for words in siblings if words])
    return [word for word in job.overrides if word not in shared]


def _shared_words(lists: Sequence[Sequence[str]]) -> set[str]:
    """Return the words that every list has.

    Args:
        lists: any number of them; without any, no word is shared.
    """
    if not lists:
        return set()
    first, *others = lists
    return set(first).intersection(*others)


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
        names = {key, _section(key)}
        if names.isdisjoint(ignored):
            kept[key] = value
    return kept


def _section(key: str) -> str:
    """Return the section of a key: "optimizer" of "optimizer.lr"."""
    return key.partition(".")[0]


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
    differing = [key for key in identity if _differs(key, rivals)]
    choices = [key for key in differing if key.endswith(".name")]
    distinguishing = list(choices)
    for key in differing:
        choice = f"{_section(key)}.name"
        compared = _equal_in(choice, identity, rivals) if choice in choices else rivals
        if key not in choices and _differs(key, compared):
            distinguishing.append(key)
    words = []
    for key in distinguishing:
        words.append(f"{key.removesuffix('.name')}={format_value(identity[key])}")
    return words


def _equal_in(key: str, identity: Identity, rivals: Sequence[Identity]) -> list[Identity]:
    """Return the rivals with the same value of a key."""
    return [rival for rival in rivals if rival.get(key) == identity.get(key)]


def _differs(key: str, identities: Sequence[Identity]) -> bool:
    """Return whether a key has several values."""
    return len({repr(identity.get(key)) for identity in identities}) > 1


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
    shared = _shared_words([job.varies for job in jobs])
    common = " ".join(word for word in first.varies if word in shared)
    seeds = {config.seed for config in _configs(jobs)}
    kind = "seeds" if len(seeds) == len(jobs) else "runs"
    label = common or first.label
    return f"{label} ({len(jobs)} {kind})"


def varied_values(job: Job, keys: Sequence[str] = ()) -> dict[str, object]:
    """Return the values of a job that vary.

    Args:
        job: a job with a config.
        keys: of a single run; a sweep names its own.

    Returns:
        Value by key; a section ("aug") has the value of its choice.
    """
    if job.sweep is not None:
        keys = [str(key) for key in job.sweep.get("varied") or ()]
    identity = {} if job.config is None else identifying_values(job.config)
    values = {}
    for key in keys:
        choice = f"{key}.name"
        if key in identity:
            values[key] = identity[key]
        elif choice in identity:
            values[key] = identity[choice]
    return values


def varied_keys(configs: Sequence[TrainConfig]) -> list[str]:
    """Return the keys that decide the figures and differ between configs.

    A section whose choice differs is represented by the choice, and ``splits.seed`` by the seed
    that it follows.

    Args:
        configs: of single runs.

    Returns:
        Keys with dots, in the order of the configs.
    """
    identities = [identifying_values(config) for config in configs]
    keys: dict[str, None] = {}
    for identity in identities:
        keys |= dict.fromkeys(identity)
    differing = [key for key in keys if _differs(key, identities)]
    if "seed" in differing and "splits.seed" in differing:
        differing.remove("splits.seed")
    return _without_details(differing)


def _without_details(keys: Sequence[str]) -> list[str]:
    """Return keys without the details of sections whose choice is among them.

    Args:
        keys: with dots; "aug.name" is the choice of a section, "aug.brightness" a detail.
    """
    chosen_sections = set()
    for key in keys:
        if key.endswith(".name"):
            chosen_sections.add(key.removesuffix(".name"))
    kept = []
    for key in keys:
        is_detail = _section(key) in chosen_sections and not key.endswith(".name")
        if not is_detail:
            kept.append(key)
    return kept


def format_value(value: object) -> str:
    """Return a config's value as a table shows it."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
