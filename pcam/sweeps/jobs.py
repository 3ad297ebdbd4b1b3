"""The jobs of sweeps, and single runs: which finished, which failed and why, which are missing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pcam.config.schema import TrainConfig
from pcam.errors import AccessError, ConfigError, RunError, format_override, one_line
from pcam.runs.access import ensure_inside
from pcam.runs.files import match_paths, read_json, read_metrics
from pcam.runs.folder import read_config
from pcam.runs.lock import is_locked
from pcam.runs.overrides import override_key
from pcam.runs.summary import validate_summary
from pcam.runs.tables import is_there
from pcam.sweeps.failures import read_failure
from pcam.sweeps.pruning import describe_verdict
from pcam.sweeps.state import SweepRecord, is_search, job_count, read_sweep, resume_command

State = Literal[
    "finished", "pruned", "failed", "running", "interrupted", "missing", "damaged", "unreadable"
]
Row = Mapping[str, str]


@dataclass(frozen=True)
class Job:
    """One run, or the place where one should be.

    Attributes:
        folder: its run folder.
        state: what happened to it.
        reason: why it failed, was pruned, or cannot be read; how far it got if it was interrupted.
        overrides: the job's part of its sweep's command line.
        sweep: the content of its sweep's sweep.json; None for a single run.
        config: None if it never started, or if the config is damaged.
        rows: of metrics.csv.
        summary: of summary.json; None if it did not finish.
        varies: what differs between it and the others, "aug=none" (``pcam.sweeps.labels``).
        label: the same for a person to read; no two jobs have the same label.
    """

    folder: Path
    state: State
    reason: str = ""
    overrides: tuple[str, ...] = ()
    sweep: SweepRecord | None = None
    config: TrainConfig | None = None
    rows: tuple[Row, ...] = ()
    summary: dict[str, Any] | None = None
    varies: tuple[str, ...] = ()
    label: str = ""

    @property
    def network(self) -> str:
        """The study's name of its network, even if a smaller scale trained another one."""
        assert self.config is not None
        model = self.config.model
        if model.at_scale.get(self.config.scale) == model.name:
            return model.at_scale["full"]
        return model.name  # given by hand

    @property
    def scale(self) -> str:
        """The scale at which it was trained."""
        assert self.config is not None
        return self.config.scale

    @property
    def data(self) -> str:
        """The name of its data source."""
        assert self.config is not None
        return self.config.data.name

    @property
    def augmentation(self) -> str:
        """The name of its augmentation."""
        assert self.config is not None
        return self.config.aug.name

    @property
    def augmented(self) -> bool:
        """Whether patches are changed at random in training."""
        return self.augmentation != "none"

    @property
    def from_search(self) -> bool:
        """Whether it is a trial of a search."""
        return self.sweep is not None and is_search(self.sweep)

    @property
    def experiment(self) -> str:
        """The experiment's name, or nothing."""
        if self.sweep is None:
            return ""
        for word in map(str, self.sweep["words"]):
            if override_key(word) == "experiment":
                return word.partition("=")[2]
        return ""

    @property
    def resume_command(self) -> str:
        """The command that resumes the run, or that runs what is missing of its sweep."""
        if self.sweep is None:
            return f"python -m pcam.train {format_override('resume', self.folder)}"
        return resume_command(self.folder.parent, self.sweep)


def find_jobs(runs: str | Sequence[str]) -> list[Job]:
    """Return the jobs of sweep folders, run folders, or globs of these, each once.

    Raises:
        ConfigError: ``runs`` is empty.
        RunError: a path does not exist, or is neither a sweep nor a run.
    """
    words = [runs] if isinstance(runs, str) else list(runs)
    if not words:
        raise ConfigError("runs=[FOLDER, GLOB, ...] must be given")
    found: dict[Path, Job] = {}
    for word in map(str, words):
        count = 0
        for path in match_paths(word, "runs"):
            for job in _jobs_at(path.resolve()):
                found[job.folder] = job
                count += 1
        if count == 0:
            raise RunError(f"runs: {word} is neither a sweep nor a run")
    return list(found.values())


def _jobs_at(path: Path) -> Iterator[Job]:
    """Yield the jobs of a sweep folder, the job of a sweep's subfolder, or a single run."""
    if is_there(path / "sweep.json"):
        yield from _sweep_jobs(path)
    elif is_there(path.parent / "sweep.json"):
        for job in _sweep_jobs(path.parent):
            if job.folder == path:
                yield job
    elif is_there(path / "config.yaml") or is_there(path / "failure.json"):
        yield _read_job(path)


def _sweep_jobs(folder: Path) -> Iterator[Job]:
    record = read_sweep(folder)
    jobs = record.get("jobs") or []
    varied = record.get("varied") or []
    for number in range(job_count(record)):
        job = _read_job(folder / str(number))
        if jobs:
            overrides = tuple(map(str, jobs[number]))
        else:
            overrides = tuple(word for word in job.overrides if override_key(word) in varied)
        yield replace(job, overrides=overrides, sweep=record)


def _read_job(folder: Path) -> Job:
    """Read a run folder as far as it can be read."""
    job = Job(folder, "missing")
    try:
        for name in ("metrics.csv", "failure.json", "summary.json"):
            ensure_inside(folder / name, folder)
        if is_there(folder / "config.yaml"):
            job = replace(job, config=read_config(folder))
        rows = tuple(read_metrics(folder / "metrics.csv"))
        if rows and "seconds" not in rows[0]:
            raise RunError("metrics.csv is damaged (it lacks the column seconds)")
        job = replace(job, rows=rows)
    except AccessError as error:
        return Job(folder, "unreadable", str(error))
    except (RunError, OSError) as error:
        return Job(folder, "damaged", str(error))
    if is_there(folder / "failure.json"):
        failure = read_failure(folder / "failure.json")
        overrides = tuple(failure.get("words") or ())
        reason = one_line(str(failure.get("error")))
        return replace(job, state="failed", reason=reason, overrides=overrides)
    try:
        summary = _read_summary(folder)
    except AccessError as error:
        return replace(job, state="unreadable", reason=str(error))
    except RunError as error:
        return replace(job, state="damaged", reason=str(error))
    if summary is None:
        return _unfinished(job)
    if job.config is None:
        return replace(job, state="damaged", reason="config.yaml is missing")
    if summary.get("pruned") is not None:
        reason = describe_verdict(summary["pruned"])
        return replace(job, state="pruned", reason=reason, summary=summary)
    return replace(job, state="finished", summary=summary)


def _read_summary(folder: Path) -> dict[str, Any] | None:
    """Return a run's summary; None if there is none.

    Raises:
        RunError: it is damaged.
    """
    summary = read_json(folder / "summary.json")
    fault = "" if summary is None else validate_summary(summary)
    if fault:
        raise RunError(fault)
    return summary


def _unfinished(job: Job) -> Job:
    """Return a job without a summary, with its state."""
    if job.config is None:
        return job
    epochs = len(job.rows)
    reason = ""
    if epochs:
        reason = "after 1 epoch" if epochs == 1 else f"after {epochs} epochs"
    state: State = "running" if is_locked(job.folder) else "interrupted"
    return replace(job, state=state, reason=reason)
