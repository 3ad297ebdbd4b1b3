"""Which run is resumed, and with what config."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pcam.errors import AccessError, RunError, format_override
from pcam.runs.checkpoints import existing_checkpoints, resumable_checkpoint
from pcam.runs.files import read_json
from pcam.runs.folder import read_config
from pcam.runs.identity import (
    CHANGEABLE,
    KeyClass,
    differing_keys,
    flatten_config,
    identifying_values,
    key_class,
    listed_key,
)
from pcam.runs.summary import is_current, validate_summary

if TYPE_CHECKING:
    from pydantic import BaseModel

    from pcam.config.schema import TrainConfig

    Model = TypeVar("Model", bound=BaseModel)

log = logging.getLogger(__name__)

# A choice of trainer on resume says where the run continues. It keeps its other settings.
TRAINER_PLACE = ("trainer.accelerator", "trainer.devices", "trainer.precision")


def find_run_to_resume(
    resume: str, default: Path, outputs: Path | None, config: TrainConfig
) -> Path | None:
    """Return the folder of the run to resume.

    Args:
        resume: a run folder, or "auto".
        default: the folder that a new run would use; "auto" resumes a run in it first.
        outputs: where "auto" looks next, for the newest unfinished run of the same config that has
            a checkpoint; None to look nowhere else.
        config: what the command line asks for.

    Returns:
        The folder; None if "auto" finds none, so that a new run starts.

    Raises:
        RunError: the named folder holds no run that can be resumed.
    """
    if resume != "auto":
        return _resumable_run(Path(resume).absolute())
    if _has_whole_checkpoint(default):
        return default
    if outputs is None:
        return None
    for folder in _unfinished_runs(outputs):
        if _continues(folder, config) and _has_whole_checkpoint(folder):
            return folder
    return None


def _has_whole_checkpoint(folder: Path) -> bool:
    """Return whether "auto" can resume a run; a damaged one is reported and starts anew."""
    if resumable_checkpoint(folder) is not None:
        return True
    damaged = existing_checkpoints(folder)
    if damaged:
        names = " and ".join(path.name for path in damaged)
        log.warning(f"{folder / 'checkpoints'}: {names} damaged; this run cannot be resumed")
    return False


def _resumable_run(folder: Path) -> Path:
    """Return a named folder after making sure that it holds a run with a checkpoint."""
    if (folder / "sweep.json").is_file():
        raise RunError(f"{folder} is a sweep: resume it with -m and the overrides of its start")
    read_config(folder)
    if resumable_checkpoint(folder) is not None:
        return folder
    damaged = existing_checkpoints(folder)
    if not damaged:
        raise RunError(
            f"{folder} has no checkpoints/last.ckpt: it was interrupted before its first one; "
            "start it again"
        )
    raise RunError(
        f"{damaged[0]} cannot be read as a checkpoint, and there is no other; start the run again: "
        f"{format_override('hydra.run.dir', folder)} resume=auto"
    )


def _unfinished_runs(outputs: Path) -> list[Path]:
    """Return the runs below a folder that have a checkpoint and have not ended, newest first."""
    folders = []
    for checkpoints in outputs.glob("**/checkpoints"):
        folder = checkpoints.parent
        if not existing_checkpoints(folder):
            continue
        is_run = (folder / "config.yaml").is_file()
        if is_run and not _has_ended(folder):
            folders.append(folder)
    folders.sort(key=lambda folder: existing_checkpoints(folder)[0].stat().st_mtime, reverse=True)
    return folders


def _has_ended(folder: Path) -> bool:
    """Return whether a run has ended, and was not resumed for more epochs since."""
    try:
        summary = read_json(folder / "summary.json")
        return summary is not None and is_current(summary, read_config(folder))
    except (AccessError, RunError):
        return True


def _continues(folder: Path, config: TrainConfig) -> bool:
    """Return whether a config asks for a saved run, whatever a resumed run may change."""
    try:
        saved = read_config(folder)
    except (AccessError, RunError):
        return False  # unreadable, damaged, or with a plugin that this command does not name
    differing = differing_keys(identifying_values(saved), identifying_values(config))
    return set(differing) <= CHANGEABLE


def finished_objective(folder: Path, config: TrainConfig) -> float | None:
    """Return the objective of a sweep's job that has finished already.

    Args:
        folder: the job's.
        config: the job's, as the command line composes it now.

    Returns:
        The objective; None if the job has not finished, or if its summary is damaged.

    Raises:
        RunError: the folder holds a job with another config.
    """
    if not (folder / "config.yaml").is_file():
        return None
    saved_config = read_config(folder)
    saved, composed = identifying_values(saved_config), identifying_values(config)
    differing = differing_keys(composed, saved)
    if differing:
        key = differing[0]
        raise RunError(
            f"{folder} holds another job: {key}={saved.get(key)}, not {composed.get(key)}; "
            "set another hydra.sweep.dir"
        )
    try:
        summary = read_json(folder / "summary.json")
    except RunError:
        return None
    if summary is None or validate_summary(summary) or not is_current(summary, saved_config):
        return None
    return sweep_objective(summary)


def sweep_objective(summary: Mapping[str, Any]) -> float:
    """Return what a sweep maximises: the AUROC of valid, never of test."""
    value = summary["valid"]["auroc"]["value"]
    return float("nan") if value is None else float(value)


def resume_config(
    saved: TrainConfig, composed: TrainConfig, keys: Iterable[str], folder: Path
) -> TrainConfig:
    """Return the config of a resumed run: its own, with the changes of the command line.

    Args:
        saved: the run's.
        composed: what the command line composes, defaults included.
        keys: the keys and groups that the command line sets.
        folder: the run's, for messages.

    Raises:
        RunError: the command line changes what a run must keep.
        ConfigError: the values do not fit together.
    """
    from pcam.config.schema import TrainConfig
    from pcam.config.validation import validate

    config = saved
    faults: list[str] = []
    for key in keys:
        if key == "resume" or key.startswith("hydra"):
            continue
        if _may_change(key):
            for changed in _changed_keys(key):
                config = _replace(config, changed, _value(composed, changed))
        else:
            faults += _describe_changes(saved, composed, key, folder)
    if faults:
        raise RunError(*faults)
    return validate(TrainConfig, config.model_dump())


def _may_change(key: str) -> bool:
    return key == "trainer" or key in CHANGEABLE or key_class(key) is not KeyClass.RESULT


def _changed_keys(key: str) -> Sequence[str]:
    """Return the keys that a key or group of the command line changes in a saved config."""
    if key == "trainer":
        return TRAINER_PLACE
    return (listed_key(key) or key,)


def _value(config: BaseModel, key: str) -> object:
    """Return the value of a dotted key."""
    value: object = config
    for part in key.split("."):
        value = getattr(value, part, None)
    return value


def _replace(config: Model, key: str, value: object) -> Model:
    """Return a config with another value of a dotted key."""
    name, _, rest = key.partition(".")
    if rest:
        value = _replace(getattr(config, name), rest, value)
    return config.model_copy(update={name: value})


def _describe_changes(
    saved: TrainConfig, composed: TrainConfig, key: str, folder: Path
) -> list[str]:
    """Return a line per value of a key or group that is not the saved one."""
    before, now = _values_of(saved, key), _values_of(composed, key)
    return [
        f"{folder} was started with {name}={before.get(name)}, not {now.get(name)}; "
        "a resumed run keeps this value"
        for name in differing_keys(before, now)
    ]


def _values_of(config: TrainConfig, key: str) -> dict[str, object]:
    """Return the value of a key; of a group the name of the choice, or all values if it has none.

    Keys inside of a choice are compared when the command line names them.
    """
    flat = flatten_config(config)
    if f"{key}.name" in flat:
        return {key: flat[f"{key}.name"]}
    return {one: flat[one] for one in flat if one == key or one.startswith(f"{key}.")}
