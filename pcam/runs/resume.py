"""Which run goes on, with what config, and how that is typed."""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pcam.errors import RunError, format_override
from pcam.runs.files import read_json
from pcam.runs.folder import Config, last_checkpoint, read_config, validate_summary
from pcam.runs.overrides import override_key as override_key

MAY_CHANGE = (
    "trainer",
    "logger",
    "data.num_workers",
    "data.root",
    "data.converted",
    "data.slide_csv",
)  # on resuming
PLACE = ("accelerator", "devices", "precision")  # what trainer=cpu changes of a run that goes on
NEW_ON_RESUME = ("resume",)


def next_commands(folder: Path, config: Config, words: Sequence[str] | None) -> list[str]:
    """Return what to try after a training that was started with ``words``; less where these are not known."""
    more = config["trainer"]["max_epochs"] * 2
    if words is None:
        return [
            f"python -m pcam.train {format_override('resume', folder)} trainer.max_epochs={more}   # train on"
        ]
    other = "aug=none" if config["aug"]["name"] != "none" else "aug=paper"
    same = [
        shlex.quote(word)
        for word in words
        if override_key(word) not in ("aug", "seed", "resume", "trainer.num_nodes")
        and not override_key(word).startswith("aug.")
    ]
    return [
        f"python -m pcam.train {format_override('resume', folder)} trainer.max_epochs={more}   # train on",
        f"python -m pcam.train -m {' '.join([*same, other])} seed=0,1,2   # is it the augmentation, or the seed?",
    ]


def find_run_to_resume(
    resume: str, asked: Path, outputs: Path | None, composed: Config
) -> Path | None:
    """Return the folder of the run to go on with.

    Args:
        resume: a run folder, or auto.
        asked: the folder that a new run would have; with auto, a run in it is the one to go on with.
        outputs: with auto, where else to look: the newest run below it that has a checkpoint, no summary, and was begun by
            the same command; None: nowhere.
        composed: today's command's config.

    Returns:
        The folder; None when auto finds nothing, so that a new run begins.

    Raises:
        RunError: the folder named has no checkpoint to go on from.
    """
    if resume != "auto":
        folder = Path(resume).absolute()
        if (folder / "sweep.json").is_file():
            raise RunError(f"{folder} is a sweep: type -m, and the words that began it")
        read_config(folder)
        if not last_checkpoint(folder).is_file():
            raise RunError(
                f"{folder} has no checkpoints/last.ckpt: it was cut off before its first epoch ended; start it anew"
            )
        return folder
    if last_checkpoint(asked).is_file():
        return asked
    unfinished = [
        path.parent.parent
        for path in (outputs.glob("**/checkpoints/last.ckpt") if outputs else ())
        if (path.parent.parent / "config.yaml").is_file()
        and not (path.parent.parent / "summary.json").exists()
    ]
    newest = sorted(
        unfinished, key=lambda folder: last_checkpoint(folder).stat().st_mtime, reverse=True
    )
    return next(
        (folder for folder in newest if _fixed(read_config(folder)) == _fixed(composed)), None
    )


def finished_objective(folder: Path, composed: Config) -> float | None:
    """Return what a job of a sweep came to, if its folder shows that it ended; with a damaged summary it did not.

    Args:
        folder: the job's.
        composed: its config, as today's command has it.

    Raises:
        RunError: the folder holds a job with another config.
    """
    if not (folder / "config.yaml").is_file():
        return None
    saved = read_config(folder)
    was, now = (dict(flatten_config(_settled(config))) for config in (saved, composed))
    for key in [*now, *was]:
        if was.get(key) != now.get(key):
            told = f"{folder} holds another job: {key}={was.get(key)}, not {now.get(key)}"
            raise RunError(f"{told}; set another hydra.sweep.dir")
    try:
        summary = read_json(folder / "summary.json")
    except RunError:
        return None
    return None if summary is None or validate_summary(summary) else sweep_objective(summary)


def sweep_objective(summary: Mapping[str, Any]) -> float:
    """Return what a sweep chooses by: valid's AUROC, never test's."""
    value = summary["valid"]["auroc"]["value"]
    return float("nan") if value is None else float(value)


def resume_config(saved: Config, composed: Config, typed: Iterable[str], folder: Path) -> Config:
    """Return the config with which a run goes on: its own, with what may change as it was typed now.

    Args:
        saved: the run's.
        composed: today's command's, whole.
        typed: the keys and groups that today's command line sets.
        folder: the run's, for the message.

    Raises:
        RunError: the command line asks for what cannot change within a run, or the saved config lacks a part.
    """
    lacking = [key for key in composed if key not in saved]
    if lacking:
        raise RunError(
            f"{folder / 'config.yaml'} lacks {', '.join(lacking)}: it was changed, or is of another version of pcam"
        )
    result = {**saved}
    for key in typed:
        if key in NEW_ON_RESUME or key.startswith("hydra"):
            continue
        if not any(key == allowed or key.startswith(f"{allowed}.") for allowed in MAY_CHANGE):
            was, now = _get(saved, key), _get(composed, key)
            if (
                isinstance(now, dict) and "name" in now and isinstance(was, dict)
            ):  # a choice; its keys are asked for by name
                was, now = was.get("name"), now["name"]
            if key not in ("experiment",) and was != now:
                raise RunError(
                    f"{folder} was begun with {key}={_short(was)}, not {_short(now)}; a run keeps what it began with"
                )
            continue
        for part in (f"{key}.{place}" for place in PLACE) if key == "trainer" else (key,):
            _set(result, part, _get(composed, part))
    return result


def _settled(config: Config) -> Config:
    """Return what makes a job of a sweep the one it is: all but where it takes place and who watches."""
    kept = {
        key: value for key, value in config["trainer"].items() if key not in (*PLACE, "progress")
    }
    return {**_fixed(config), "trainer": kept}


def flatten_config(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Return a config's values, each with its dotted key."""
    for key, value in config.items():
        if isinstance(value, dict):
            yield from flatten_config(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _fixed(config: Config) -> Config:
    """Return what cannot change within a run."""
    config = {
        key: dict(value) if isinstance(value, dict) else value for key, value in config.items()
    }
    for allowed in MAY_CHANGE:
        group, _, key = allowed.partition(".")
        if key:
            config.get(group, {}).pop(key, None)
        else:
            config.pop(group, None)
    return config


def _get(config: Any, key: str) -> Any:
    for part in key.split("."):
        config = config.get(part) if isinstance(config, dict) else None
    return config


def _set(config: Config, key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for part in parents:
        config[part] = dict(config.get(part) or {})
        config = config[part]
    config[last] = value


def _short(value: Any) -> str:
    return str(value.get("name", value) if isinstance(value, dict) else value)
