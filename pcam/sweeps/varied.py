"""What differs between the configs of jobs, as keys and values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pcam.runs.identity import identifying_values
from pcam.sweeps.jobs import Job

if TYPE_CHECKING:
    from pcam.config.schema import TrainConfig

Identity = Mapping[str, object]


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
    differing = [key for key in keys if differs(key, identities)]
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
        is_detail = section_of(key) in chosen_sections and not key.endswith(".name")
        if not is_detail:
            kept.append(key)
    return kept


def format_value(value: object) -> str:
    """Return a config's value as a table shows it."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def differs(key: str, identities: Sequence[Identity]) -> bool:
    """Return whether a key has several values."""
    return len({repr(identity.get(key)) for identity in identities}) > 1


def section_of(key: str) -> str:
    """Return the section of a key: "optimizer" of "optimizer.lr"."""
    return key.partition(".")[0]


def shared_words(lists: Sequence[Sequence[str]]) -> set[str]:
    """Return the words that every list has.

    Args:
        lists: any number of them; without any, no word is shared.
    """
    if not lists:
        return set()
    first, *others = lists
    return set(first).intersection(*others)


def configs_of(jobs: Sequence[Job]) -> list[TrainConfig]:
    """Return the configs of the jobs that have one."""
    configs = []
    for job in jobs:
        if job.config is not None:
            configs.append(job.config)
    return configs
