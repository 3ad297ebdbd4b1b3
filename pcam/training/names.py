"""What dashboards call a run, and the group of a sweep's runs."""

from pathlib import Path

from pcam.config.schema import TrainConfig
from pcam.runs.folder import network_label
from pcam.sweeps.jobs import Job
from pcam.sweeps.state import SweepRecord, find_sweep, read_sweep
from pcam.sweeps.varied import format_value, varied_values

EXPERIMENT = "experiment="


def run_name(config: TrainConfig, folder: Path) -> str:
    """Return the name of a run.

    Args:
        config: the run's.
        folder: the run's.

    Returns:
        The network and the folder's name; in a sweep, what varies there.
    """
    sweep = find_sweep(folder)
    if sweep is None:
        return f"{network_label(config)} {folder.name}"
    record = read_sweep(sweep)
    number = folder.absolute().relative_to(sweep).parts[0]
    jobs = record.get("jobs")
    if not jobs:
        return " ".join(_trial_values(config, folder, record, number))
    varied = _varied_overrides(jobs, number)
    return " ".join(varied) or f"job {number}"


def _varied_overrides(jobs: list[list[str]], number: str) -> list[str]:
    """Return the overrides of a job that not every job has.

    Args:
        jobs: the overrides of all jobs of the sweep.
        number: of the job, which its folder is named by; other names have no overrides.
    """
    if not number.isdigit() or int(number) >= len(jobs):
        return []
    first, *others = jobs
    shared = set(first).intersection(*others)
    overrides = jobs[int(number)]
    return [word for word in overrides if word not in shared]


def _trial_values(config: TrainConfig, folder: Path, record: SweepRecord, number: str) -> list[str]:
    """Return the values that a search tries in this run.

    Args:
        config: the run's.
        folder: the run's.
        record: of the search.
        number: of the trial.
    """
    trial = Job(folder, "running", sweep=record, config=config)
    values = [f"{key}={format_value(value)}" for key, value in varied_values(trial).items()]
    return [f"trial {number}:", *values]


def run_group(folder: Path) -> str | None:
    """Return the group of a run.

    Args:
        folder: the run's.

    Returns:
        Its experiment and its sweep's folder; None without a sweep.
    """
    sweep = find_sweep(folder)
    if sweep is None:
        return None
    words = read_sweep(sweep)["words"]
    experiments = [word.removeprefix(EXPERIMENT) for word in words if word.startswith(EXPERIMENT)]
    return " ".join([*experiments, _sweep_label(sweep)])


def _sweep_label(sweep: Path) -> str:
    """Return the name of a sweep: its folder in multirun/, or the last part of its path.

    Args:
        sweep: its folder.
    """
    parts = sweep.parts
    if "multirun" in parts:
        return "/".join(parts[parts.index("multirun") + 1 :])
    return sweep.name
