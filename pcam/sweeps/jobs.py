"""The jobs of sweeps, and single runs, as they lie on disk: which ended, which failed and why, which are missing."""

import csv
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pcam.errors import ConfigError, RunError, format_override
from pcam.runs.files import match_paths, read_json, read_metrics
from pcam.runs.folder import Config, read_config, validate_summary
from pcam.runs.lock import is_locked
from pcam.runs.resume import override_key
from pcam.sweeps import pruning
from pcam.sweeps.state import read_sweep


@dataclass(frozen=True)
class Job:
    """One run, or the place where one should be.

    Attributes:
        folder: its own.
        state: "ended", "pruned", "failed", "running", "cut short", "missing" or "broken".
        why: it failed, was pruned, or cannot be read.
        words: its part of a sweep's command, as typed; of a search's, where it failed before it began.
        sweep: what sweep.json holds, and None of a run by itself.
        config: None where it never began, and of a broken one unless its summary alone is damaged.
        rows: of metrics.csv.
        summary: None where it did not end.
        varies: what differs between it and the others, "aug=none" (``pcam.sweeps.grouping``).
        told: the same and where it lies, for a person; no two jobs have the same.
    """

    folder: Path
    state: str
    why: str
    words: tuple[str, ...] = ()
    sweep: Mapping[str, Any] | None = None
    config: Config | None = None
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
        stands_in = (
            known.get(self.config.get("scale")) == model["name"]
        )  # else it was typed, and stands for itself
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
        return next(
            (str(word).partition("=")[2] for word in words if str(word).startswith("experiment=")),
            "",
        )

    @property
    def again(self) -> str:
        """What to type to do what is missing; of a run by itself, to go on with it."""
        if self.sweep is None:
            return f"python -m pcam.train {format_override('resume', self.folder)}"
        command = f"python -m pcam.{self.sweep.get('door', 'train')} -m {shlex.join(map(str, self.sweep['words']))}"
        return f"{command} {format_override('hydra.sweep.dir', self.folder.parent)}"


def find_jobs(asked: str | Sequence[str]) -> list[Job]:
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
        jobs = [job for path in match_paths(word, "runs") for job in _at(path.resolve())]
        if not jobs:
            raise RunError(f"runs: {word} is neither a sweep nor a run")
        found |= {job.folder: job for job in jobs}  # by whatever path it was named
    return list(found.values())


def _at(path: Path) -> Iterator[Job]:
    if (path / "sweep.json").is_file():
        told = read_sweep(path)
        jobs = told.get("jobs") or [()] * int(told.get("trials") or 0)
        for number, words in enumerate(jobs):
            job = _job(path / str(number))
            if told.get("jobs"):
                job = replace(job, words=tuple(map(str, words)))
            else:
                job = replace(
                    job,
                    words=tuple(
                        word for word in job.words if override_key(word) in told.get("varied", ())
                    ),
                )
            yield replace(job, sweep=told)
    elif (path.parent / "sweep.json").is_file():
        yield from (job for job in _at(path.parent) if job.folder == path)
    elif (path / "config.yaml").is_file() or (path / "failure.json").is_file():
        yield _job(path)


def _job(folder: Path) -> Job:
    """Read a run folder, as far as it can be read."""
    try:
        config = read_config(folder) if (folder / "config.yaml").is_file() else None
        failure = read_json(folder / "failure.json")
        rows = tuple(read_metrics(folder / "metrics.csv"))
    except (RunError, OSError, UnicodeDecodeError, csv.Error) as error:
        return Job(folder, "broken", str(error))
    if wrong := _wrong(config, rows):
        return Job(folder, "broken", wrong)
    if failure is not None:
        words = tuple(map(str, failure.get("words") or ()))
        return Job(folder, "failed", str(failure.get("error")), words, config=config, rows=rows)
    try:
        summary = read_json(folder / "summary.json")
        wrong = validate_summary(summary) if summary is not None else ""
    except RunError as error:
        summary, wrong = None, str(error)
    if wrong:
        return Job(folder, "broken", wrong, config=config, rows=rows)
    if summary is None:
        state = "missing" if config is None else "running" if is_locked(folder) else "cut short"
        return Job(
            folder,
            state,
            f"after {len(rows)} epoch{'s' * (len(rows) != 1)}" if rows else "",
            config=config,
            rows=rows,
        )
    if config is None:
        return Job(folder, "broken", "config.yaml is missing")
    if (verdict := summary.get("pruned")) is not None:
        return Job(
            folder,
            "pruned",
            pruning.describe_verdict(verdict),
            config=config,
            rows=rows,
            summary=summary,
        )
    return Job(folder, "ended", "", config=config, rows=rows, summary=summary)


def _wrong(config: Config | None, rows: Sequence[Mapping[str, str]]) -> str:
    """Return what keeps a run's config or metrics from being read as such; nothing where all is well."""
    if config is not None:
        named = {key: config.get(key) for key in ("model", "aug", "finetune", "data", "trainer")}
        needed = {"trainer": "max_epochs"}
        odd = [
            key
            for key, of in named.items()
            if not isinstance(of, dict) or needed.get(key, "name") not in of
        ]
        odd += [] if "seed" in config else ["seed"]
        if odd:
            return f"config.yaml lacks parts of a run's: {', '.join(odd)}"
    try:
        for row in rows:
            int(row["epoch"]), float(row["seconds"])
    except (KeyError, TypeError, ValueError) as error:
        return f"metrics.csv is broken ({type(error).__name__}: {error})"
    return ""
