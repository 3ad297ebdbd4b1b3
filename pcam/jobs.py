"""The jobs of sweeps, and single runs, as they lie on disk: which ended, which failed and why, which are missing."""

import csv
import glob
import json
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pcam import resuming, runs, sweeps
from pcam.callbacks import read_rows
from pcam.errors import ConfigError, RunError, reason, typed

# keys that say where a run took place, not what it is
ASIDE = (
    "logger", "data.root", "data.num_workers", "model.at_scale", "trainer.progress", "trainer.accelerator", "trainer.devices",
)  # fmt: skip


@dataclass(frozen=True)
class Job:
    """One run, or the place where one should be.

    Attributes:
        folder: its own.
        state: "ended", "pruned", "failed", "cut short", "missing" or "broken".
        why: it failed, was pruned, or cannot be read.
        words: its part of a sweep's command, as typed; of a search's, where it failed before it began.
        sweep: what sweep.json holds, and None of a run by itself.
        config: None where it never began.
        rows: of metrics.csv.
        summary: None where it did not end.
        varies: what differs between it and the others, "aug=none".
        told: the same and where it lies, for a person; no two jobs have the same.
    """

    folder: Path
    state: str
    why: str
    words: tuple[str, ...] = ()
    sweep: Mapping[str, Any] | None = None
    config: runs.Config | None = None
    rows: tuple[Mapping[str, str], ...] = ()
    summary: dict[str, Any] | None = None
    varies: tuple[str, ...] = ()
    told: str = ""

    @property
    def network(self) -> str:
        """What its network stands for: at a smaller scale, the study's."""
        assert self.config is not None
        model = self.config["model"]
        known = model.get("at_scale", {})
        stands_in = known.get(self.config.get("scale")) == model["name"]  # else it was typed, and stands for itself
        return str(known["full"] if stands_in else model["name"])

    @property
    def scale(self) -> str:
        """At which it was trained."""
        assert self.config is not None
        return str(self.config.get("scale", "full"))

    @property
    def data(self) -> str:
        """Which data it was trained on."""
        assert self.config is not None
        return str(self.config["data"]["name"])

    @property
    def augmentation(self) -> str:
        """Its recipe's name."""
        assert self.config is not None
        return str(self.config["aug"]["name"])

    @property
    def augmented(self) -> bool:
        """Whether patches are changed at random in training."""
        return self.augmentation != "none"

    @property
    def searched(self) -> bool:
        """Whether it is a trial of a search."""
        return self.sweep is not None and not self.sweep.get("jobs")

    @property
    def experiment(self) -> str:
        """The experiment's name, or nothing."""
        words = [] if self.sweep is None else self.sweep["words"]
        return next((str(word).partition("=")[2] for word in words if str(word).startswith("experiment=")), "")

    @property
    def again(self) -> str:
        """What to type to do what is missing; of a run by itself, to go on with it."""
        if self.sweep is None:
            return f"python -m pcam.train {typed('resume', self.folder)}"
        command = f"python -m pcam.{self.sweep.get('door', 'train')} -m {shlex.join(map(str, self.sweep['words']))}"
        return f"{command} {typed('hydra.sweep.dir', self.folder.parent)}"


def find(asked: str | Sequence[str]) -> list[Job]:
    """Return the jobs of sweep folders, run folders, or globs of these, each once.

    Raises:
        ConfigError: nothing was asked for.
        RunError: one of them is not there, or holds neither.
    """
    words = [asked] if isinstance(asked, str) else list(asked)
    if not words:
        raise ConfigError("runs=[FOLDER, GLOB, ...] must be given")
    found: dict[Path, Job] = {}
    for word in map(str, words):
        paths = [Path(word)] if Path(word).exists() else [Path(path) for path in sorted(glob.glob(word, recursive=True))]
        jobs = [job for path in paths for job in _at(path.resolve())]
        if not jobs:
            raise RunError(f"runs: {word} is neither a sweep nor a run" if paths else f"runs: nothing is called {word}")
        found |= {job.folder: job for job in jobs}  # by whatever path it was named
    return _told_apart(list(found.values()))


def _at(path: Path) -> Iterator[Job]:
    if (path / "sweep.json").is_file():
        told = sweeps.read(path)
        jobs = told.get("jobs") or [()] * int(told.get("trials") or 0)
        for number, words in enumerate(jobs):
            job = _job(path / str(number))
            if told.get("jobs"):
                job = replace(job, words=tuple(map(str, words)))
            else:
                job = replace(job, words=tuple(word for word in job.words if resuming.key(word) in told.get("varied", ())))
            yield replace(job, sweep=told)
    elif (path.parent / "sweep.json").is_file():
        yield from (job for job in _at(path.parent) if job.folder == path)
    elif (path / "config.yaml").is_file() or (path / "failure.json").is_file():
        yield _job(path)


def _job(folder: Path) -> Job:
    """Read a run folder, as far as it can be read."""
    try:
        config = runs.read_config(folder) if (folder / "config.yaml").is_file() else None
        summary, failure = (_json(folder / f"{name}.json") for name in ("summary", "failure"))
        rows = tuple(read_rows(folder / "metrics.csv"))
    except (RunError, OSError, UnicodeDecodeError, csv.Error) as error:
        return Job(folder, "broken", str(error))
    if failure is not None:
        words = tuple(map(str, failure.get("words") or ()))
        return Job(folder, "failed", str(failure.get("error")), words, config=config, rows=rows)
    if summary is None:
        told = f"after {len(rows)} epochs" if rows else ""
        return Job(folder, "missing" if config is None else "cut short", told, config=config, rows=rows)
    wrong = _wrong(config, rows, summary)
    if wrong:
        return Job(folder, "broken", wrong)
    if (verdict := summary.get("pruned")) is not None:
        told = f"{verdict['auroc']:.4f} is below {verdict['median']:.4f}, the median of {verdict['jobs']} jobs"
        why = f"after epoch {verdict['epoch'] + 1}: valid AUROC {told}"
        return Job(folder, "pruned", why, config=config, rows=rows, summary=summary)
    return Job(folder, "ended", "", config=config, rows=rows, summary=summary)


def _wrong(config: runs.Config | None, rows: Sequence[Mapping[str, str]], summary: Mapping[str, Any]) -> str:
    """Return what keeps a run's files from being read as such; nothing where all is well."""
    groups = ("model", "aug", "finetune", "data", "trainer")
    if config is None or any(not isinstance(config.get(name), dict) for name in groups):
        return "config.yaml lacks parts of a run's"
    for split in ("valid", "test"):
        for name, figure in summary.get(split, {}).items() if isinstance(summary.get(split, {}), dict) else [("", None)]:
            if not isinstance(figure, dict) or not isinstance(figure.get("value"), int | float | None):
                return f"summary.json: {split}.{name} is no figure"
    lacking = [key for key in ("valid", "weights", "epochs", "versions", "data", "device", "commit") if key not in summary]
    if lacking:
        return f"summary.json lacks {', '.join(lacking)}"
    try:
        for row in rows:
            int(row["epoch"]), float(row["seconds"])
    except (KeyError, TypeError, ValueError) as error:
        return f"metrics.csv is broken ({type(error).__name__}: {error})"
    return ""


def _json(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise RunError(f"{path.name} is broken ({reason(error)})") from error
    if not isinstance(content, dict):
        raise RunError(f"{path.name} is broken: it holds no keys")
    return content


def _told_apart(jobs: list[Job]) -> list[Job]:
    """Say of each job what varies: a sweep's words that not all have, what a search sought, or else the keys that differ."""
    known = [job.config for job in jobs if job.config is not None and job.sweep is None]
    keys = varied(known)
    several = len({job.folder.parent for job in jobs if job.sweep is not None}) > 1
    named = []
    for job in jobs:
        others = [other.words for other in jobs if other.folder.parent == job.folder.parent and other.words]
        varies = [word for word in job.words if job.searched or any(word not in words for words in others)]
        if not varies and job.config is not None:
            varies = [f"{key}={shown(value)}" for key, value in sought(job, keys).items()]
        place, number = [job.folder.parent.name] if several else [], job.folder.name
        if job.searched:
            told = [*place, "trial", f"{number}:", *varies]
        elif not varies:
            told = ["/".join(job.folder.parts[-2:]) if several or not number.isdigit() else f"job {number}"]
        else:
            told = [*(place if job.sweep is not None else ()), *varies]
        named.append(replace(job, varies=tuple(varies), told=" ".join(told)))
    names = [job.told for job in named]
    return [
        replace(job, told=f"{job.told} ({'/'.join(job.folder.parts[-2:])})") if names.count(job.told) > 1 else job
        for job in named
    ]


def alike(jobs: Sequence[Job], but: Collection[str]) -> list[tuple[str, list[Job]]]:
    """Group jobs whose configs differ in nothing but some keys, or groups of keys.

    Returns:
        Groups, each after what tells it from the others of its network: "optimizer.lr=0.001", or nothing.
    """
    groups: dict[str, list[Job]] = {}
    kept: dict[str, dict[str, Any]] = {}
    for job in jobs:
        flat = {key: value for key, value in _made(job).items() if key not in but and key.partition(".")[0] not in but}
        kept[repr(flat)] = flat
        groups.setdefault(repr(flat), []).append(job)
    found = []
    for name, of in groups.items():
        same = [other for other, its in groups.items() if (its[0].network, its[0].scale) == (of[0].network, of[0].scale)]
        rivals = [kept[other] for other in same]
        differ = [key for key in kept[name] if len({repr(rival.get(key)) for rival in rivals}) > 1]
        chosen = [key.removesuffix(".name") for key in differ if key.endswith(".name")]  # aug=keras says the rest of aug
        told = [f"{key}={shown(kept[name][f'{key}.name'])}" for key in chosen]
        for key in differ:
            group = key.partition(".")[0]
            brothers = [one for one in rivals if one.get(f"{group}.name") == kept[name].get(f"{group}.name")]
            if group not in chosen or (key != f"{group}.name" and len({repr(one.get(key)) for one in brothers}) > 1):
                told.append(f"{key}={shown(kept[name][key])}")
        found.append((", ".join(told), of))
    return found


def _made(job: Job) -> dict[str, Any]:
    """Return what made a job's figures what they are: its config, and what the config leaves open."""
    flat = flattened(job.config or {})
    if job.summary is not None and job.config is not None:
        flat |= {"weights": job.summary["weights"]["origin"], "processes": job.summary.get("processes")}
        if (job.folder / "splits.csv").is_file():  # drawn here, by the seed
            flat["data.root"] = job.config["data"].get("root")
        else:
            patches = {split: told.get("sha256") for split, told in job.summary["data"].items() if split != "train"}
            flat |= {f"{split} patches": str(sha)[:8] for split, sha in patches.items()}
    return flat


def repeats(jobs: Sequence[Job]) -> dict[str, list[Job]]:
    """Group jobs that differ in nothing but their seed; return each group by what a person calls it."""
    named: dict[str, list[Job]] = {}
    for _, of in alike(jobs, ("seed", "splits.seed")):
        name = _group(of)
        named[f"{name}: {of[0].told}" if name in named else name] = of
    return named


def _group(jobs: Sequence[Job]) -> str:
    if len(jobs) == 1:
        return jobs[0].told
    common = [word for word in jobs[0].varies if all(word in job.varies for job in jobs)]
    seeds = {job.config["seed"] for job in jobs if job.config}
    return f"{' '.join(common) or jobs[0].told} ({len(jobs)} {'seeds' if len(seeds) == len(jobs) else 'runs'})"


def sought(job: Job, keys: Sequence[str] = ()) -> dict[str, Any]:
    """Return what varies of a job's config: the keys that its sweep names, or those given."""
    flat = flattened(job.config or {})
    wanted = keys if job.sweep is None else [str(key) for key in job.sweep.get("varied") or ()]
    return {key: flat.get(key, flat.get(f"{key}.name")) for key in wanted if key in flat or f"{key}.name" in flat}


def shown(value: Any) -> str:
    """Return a config's value as a table shows it."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def varied(configs: Sequence[runs.Config]) -> list[str]:
    """Return the keys in which configs differ, those that say only where a run took place left out."""
    flat = [flattened(config) for config in configs]
    keys = dict.fromkeys(key for config in flat for key in config)
    found = [key for key in keys if len({repr(config.get(key)) for config in flat}) > 1]
    found = [key for key in found if key != "splits.seed" or "seed" not in found]  # it follows
    groups = {key.removesuffix(".name") for key in found if key.endswith(".name")}  # aug=keras says the rest of aug
    return [key for key in found if key.endswith(".name") or key.partition(".")[0] not in groups]


def flattened(config: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return a config as dotted keys to values."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{above}{key}"
        if name in ASIDE:
            continue
        if isinstance(value, Mapping) and value:
            flat |= flattened(value, f"{name}.")
        else:
            flat[name] = value
    return flat
