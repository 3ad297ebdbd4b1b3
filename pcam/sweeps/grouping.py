"""What tells jobs apart, for a person and for tables: words and keys that differ, and which jobs differ in nothing else."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pcam.runs.folder import Config
from pcam.runs.resume import flatten_config
from pcam.sweeps.jobs import Job

# keys that say where a run took place, not what it is
ASIDE = (
    "logger", "data.root", "data.num_workers", "model.at_scale", "trainer.progress", "trainer.accelerator", "trainer.devices",
)  # fmt: skip


def label_jobs(jobs: Sequence[Job]) -> list[Job]:
    """Say of each job what varies: a sweep's words that not all have, what a search sought, or else the keys that differ."""
    known = [job.config for job in jobs if job.config is not None and job.sweep is None]
    keys = varied_keys(known)
    several = len({job.folder.parent for job in jobs if job.sweep is not None}) > 1
    named = []
    for job in jobs:
        others = [
            other.words
            for other in jobs
            if other.folder.parent == job.folder.parent and other.words
        ]
        varies = [
            word for word in job.words if job.searched or any(word not in words for words in others)
        ]
        if not varies and job.config is not None:
            varies = [
                f"{key}={format_value(value)}" for key, value in varied_values(job, keys).items()
            ]
        place, number = [job.folder.parent.name] if several else [], job.folder.name
        if job.searched:
            told = [*place, "trial", f"{number}:", *varies]
        elif not varies:
            told = [
                "/".join(job.folder.parts[-2:])
                if several or not number.isdigit()
                else f"job {number}"
            ]
        else:
            told = [*(place if job.sweep is not None else ()), *varies]
        named.append(replace(job, varies=tuple(varies), told=" ".join(told)))
    names = [job.told for job in named]
    return [
        replace(job, told=f"{job.told} ({'/'.join(job.folder.parts[-2:])})")
        if names.count(job.told) > 1
        else job
        for job in named
    ]


def group_by_config(jobs: Sequence[Job], but: Collection[str]) -> list[tuple[str, list[Job]]]:
    """Group jobs whose configs differ in nothing but some keys, or groups of keys.

    Returns:
        Groups, each after what tells it from the others of its network: "optimizer.lr=0.001", or nothing.
    """
    groups: dict[str, list[Job]] = {}
    kept: dict[str, dict[str, Any]] = {}
    for job in jobs:
        flat = {
            key: value
            for key, value in _made(job).items()
            if key not in but and key.partition(".")[0] not in but
        }
        kept[repr(flat)] = flat
        groups.setdefault(repr(flat), []).append(job)
    found = []
    for name, of in groups.items():
        same = [
            other
            for other, its in groups.items()
            if (its[0].network, its[0].scale) == (of[0].network, of[0].scale)
        ]
        rivals = [kept[other] for other in same]
        differ = [key for key in kept[name] if len({repr(rival.get(key)) for rival in rivals}) > 1]
        chosen = [
            key.removesuffix(".name") for key in differ if key.endswith(".name")
        ]  # aug=keras says the rest of aug
        told = [f"{key}={format_value(kept[name][f'{key}.name'])}" for key in chosen]
        for key in differ:
            group = key.partition(".")[0]
            brothers = [
                one for one in rivals if one.get(f"{group}.name") == kept[name].get(f"{group}.name")
            ]
            if group not in chosen or (
                key != f"{group}.name" and len({repr(one.get(key)) for one in brothers}) > 1
            ):
                told.append(f"{key}={format_value(kept[name][key])}")
        found.append((", ".join(told), of))
    return found


def _made(job: Job) -> dict[str, Any]:
    """Return what made a job's figures what they are: its config, and what the config leaves open."""
    flat = identifying_config(job.config or {})
    if job.summary is not None and job.config is not None:
        flat |= {
            "weights": job.summary["weights"]["origin"],
            "processes": job.summary.get("processes"),
        }
        if (job.folder / "splits.csv").is_file():  # drawn here, by the seed
            flat["data.root"] = job.config["data"].get("root")
        else:
            patches = {
                split: told.get("sha256")
                for split, told in job.summary["data"].items()
                if split != "train"
            }
            flat |= {f"{split} patches": str(sha)[:8] for split, sha in patches.items()}
    return flat


def group_repeats(jobs: Sequence[Job]) -> dict[str, list[Job]]:
    """Group jobs that differ in nothing but their seed; return each group by what a person calls it."""
    named: dict[str, list[Job]] = {}
    for _, of in group_by_config(jobs, ("seed", "splits.seed")):
        name = _group(of)
        named[f"{name}: {of[0].told}" if name in named else name] = of
    return named


def _group(jobs: Sequence[Job]) -> str:
    if len(jobs) == 1:
        return jobs[0].told
    common = [word for word in jobs[0].varies if all(word in job.varies for job in jobs)]
    seeds = {job.config["seed"] for job in jobs if job.config}
    return f"{' '.join(common) or jobs[0].told} ({len(jobs)} {'seeds' if len(seeds) == len(jobs) else 'runs'})"


def varied_values(job: Job, keys: Sequence[str] = ()) -> dict[str, Any]:
    """Return what varies of a job's config: the keys that its sweep names, or those given."""
    flat = identifying_config(job.config or {})
    wanted = keys if job.sweep is None else [str(key) for key in job.sweep.get("varied") or ()]
    return {
        key: flat.get(key, flat.get(f"{key}.name"))
        for key in wanted
        if key in flat or f"{key}.name" in flat
    }


def format_value(value: Any) -> str:
    """Return a config's value as a table shows it."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def varied_keys(configs: Sequence[Config]) -> list[str]:
    """Return the keys in which configs differ, those that say only where a run took place left out."""
    flat = [identifying_config(config) for config in configs]
    keys = dict.fromkeys(key for config in flat for key in config)
    found = [key for key in keys if len({repr(config.get(key)) for config in flat}) > 1]
    found = [key for key in found if key != "splits.seed" or "seed" not in found]  # it follows
    groups = {
        key.removesuffix(".name") for key in found if key.endswith(".name")
    }  # aug=keras says the rest of aug
    return [key for key in found if key.endswith(".name") or key.partition(".")[0] not in groups]


def identifying_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config as dotted keys to values, without those that say only where a run took place."""
    return {
        key: value
        for key, value in flatten_config(config)
        if not any(f"{key}.".startswith(f"{one}.") for one in ASIDE)
    }
