"""The jobs of sweeps, and single runs, as they lie on disk: which ended, which failed and why, which are missing."""

import glob
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pcam import runs, sweeps
from pcam.errors import ConfigError, RunError, reason

# keys that say where a run took place, not what it is
ASIDE = (
    "logger", "data.root", "data.num_workers", "model.at_scale", "trainer.progress", "trainer.accelerator", "trainer.devices",
)  # fmt: skip


@dataclass(frozen=True)
class Job:
    """One run, or the place where one should be.

    Attributes:
        folder: its own.
        state: "ended", "pruned", "failed", "cut short" or "missing".
        why: it failed, or was pruned.
        words: its part of a sweep's command, as typed.
        again: the command that makes it, or goes on with it.
        config: None where it never began.
        summary: None where it did not end.
        told: what varies between it and the others, for a person.
    """

    folder: Path
    state: str
    why: str
    words: tuple[str, ...]
    again: str
    config: runs.Config | None
    summary: dict[str, Any] | None
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
    def augmented(self) -> bool:
        """Whether patches are changed at random in training."""
        assert self.config is not None
        return bool(self.config["aug"]["name"] != "none")


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
        jobs = [job for path in paths for job in _at(path.absolute())]
        if not jobs:
            raise RunError(f"runs: {word} is neither a sweep nor a run" if paths else f"runs: nothing is called {word}")
        found |= {job.folder: job for job in jobs}
    return _told_apart(list(found.values()))


def _at(path: Path) -> Iterator[Job]:
    if (path / "sweep.json").is_file():
        told = sweeps.read(path)
        command = f"python -m pcam.{told.get('door', 'train')} -m {shlex.join(told['words'])}"
        again = f"{command} hydra.sweep.dir={shlex.quote(str(path))}"
        count = len(told["jobs"]) if told.get("jobs") else int(told.get("trials") or 0)
        for number in range(count):
            mine = told["jobs"][number] if told.get("jobs") else ()
            yield _job(path / str(number), tuple(map(str, mine)), again)
    elif (path / "config.yaml").is_file() or (path / "failure.json").is_file():
        yield _job(path, (), f"python -m pcam.train resume={shlex.quote(str(path))}")


def _job(folder: Path, words: tuple[str, ...], again: str) -> Job:
    config = runs.read_config(folder) if (folder / "config.yaml").is_file() else None
    summary, failure = (_json(folder / f"{name}.json") for name in ("summary", "failure"))
    if failure is not None:
        return Job(folder, "failed", str(failure.get("error")), words or tuple(failure.get("words", ())), again, config, None)
    if summary is None:
        return Job(folder, "missing" if config is None else "cut short", "", words, again, config, None)
    if (verdict := summary.get("pruned")) is not None:
        told = f"{verdict['auroc']:.4f} is below {verdict['median']:.4f}, the median of {verdict['jobs']} jobs"
        why = f"after epoch {verdict['epoch'] + 1}: valid AUROC {told}"
        return Job(folder, "pruned", why, words, again, config, summary)
    return Job(folder, "ended", "", words, again, config, summary)


def _json(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is broken ({reason(error)})") from error
    if not isinstance(content, dict):
        raise RunError(f"{path} is broken: it holds no keys")
    return content


def _told_apart(jobs: list[Job]) -> list[Job]:
    """Say of each job what varies: of a sweep's, the words that not all have; else the keys that differ."""
    known = [job.config for job in jobs if job.config is not None]
    keys = varied(known)
    named = []
    for job in jobs:
        told = [word for word in job.words if any(other.words and word not in other.words for other in jobs)]
        if not told and job.config is not None:
            flat = flattened(job.config)
            told = [f"{key}={flat.get(key)}" for key in keys]
        named.append(replace(job, told=" ".join(told) or job.folder.name))
    return named


def varied(configs: Sequence[runs.Config]) -> list[str]:
    """Return the keys in which configs differ, those that say only where a run took place left out."""
    flat = [flattened(config) for config in configs]
    keys = dict.fromkeys(key for config in flat for key in config)
    return [key for key in keys if len({repr(config.get(key)) for config in flat}) > 1]


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
