"""A sweep's start: which jobs it has, and whether it can start."""

from collections.abc import Sequence
from pathlib import Path

import hydra
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, open_dict

from pcam.cli.arguments import (
    CONFIG_FOLDER_OPTIONS,
    INFORMATION_OPTIONS,
    MULTIRUN_OPTIONS,
    force_add_all,
    options_of,
    overrides_of,
    parse_override,
)
from pcam.cli.config import typed_config
from pcam.errors import ConfigError, quote_value
from pcam.runs.overrides import override_key
from pcam.sweeps.state import (
    SweepRecord,
    ensure_no_run,
    newest_sweep,
    plain_override,
    read_sweep,
    start_sweep,
)

SWEEPS = "multirun"  # where sweeps are by default


def prepare_multirun(command: str, words: Sequence[str]) -> list[str]:
    """Return the words of a sweep, with ``resume`` as the folder that Hydra writes to.

    Raises:
        ConfigError: an option or an override that a sweep cannot have.
        RunError: ``resume`` is not a sweep.
    """
    options = options_of(words)
    if not options & set(MULTIRUN_OPTIONS) or options & set(INFORMATION_OPTIONS):
        return list(words)
    _refuse_options(options - set(MULTIRUN_OPTIONS))
    overrides = {override_key(word): word for word in overrides_of(words)}
    if "hydra.sweep.subdir" in overrides:
        raise ConfigError(
            "hydra.sweep.subdir: a sweep's jobs are numbered folders; "
            "hydra.sweep.dir=FOLDER sets the sweep's folder"
        )
    if command != "train" or "resume" not in overrides:
        return list(words)
    resume = parse_override(overrides["resume"])
    if resume is None or resume.is_sweep_override() or not resume.value():
        return list(words)
    folder = _sweep_to_resume(str(resume.value()), overrides_of(words))
    kept = [word for word in words if override_key(word) != "resume"]
    if folder is None:
        return kept
    kept = [word for word in kept if override_key(word) != "hydra.sweep.dir"]
    return [*kept, f"hydra.sweep.dir={quote_value(folder)}"]


def _refuse_options(options: set[str]) -> None:
    """Make sure that a sweep's command line has no option that a second start would lack."""
    if not options:
        return
    option = min(options)
    message = f"{option} cannot be combined with -m: the sweep could not be resumed"
    if option in CONFIG_FOLDER_OPTIONS:
        message += "; for your own YAMLs use 'hydra.searchpath=[file:///DIR]'"
    raise ConfigError(message)


def _sweep_to_resume(resume: str, words: Sequence[str]) -> Path | None:
    """Return the folder that ``resume`` names; None if it is the default or a given one."""
    if resume != "auto":
        folder = Path(resume).absolute()
        ensure_no_run(folder)
        read_sweep(folder)
        return folder
    if any(override_key(word) == "hydra.sweep.dir" for word in words):
        return None
    return newest_sweep(Path(SWEEPS).absolute(), words)


def ensure_no_choices_left(config: DictConfig) -> None:
    """Make sure that a single run has one value for each key that its experiment varies.

    Args:
        config: what Hydra composed, with its own section.

    Raises:
        ConfigError: it has not.
    """
    given = {override_key(word) for word in config.hydra.overrides.task}
    params = config.hydra.sweeper.get("params") or {}
    left = [f"{key}={choices}" for key, choices in params.items() if key not in given]
    if left:
        raise ConfigError(
            f"this is a sweep over {', '.join(left)}; add -m, or choose one value for each"
        )


def start_multirun(config: DictConfig, command: str) -> Path:
    """Write a sweep's state, or check the state in its folder; return the folder.

    Args:
        config: what Hydra composed for the whole sweep, with its own section.
        command: the command's name.

    Raises:
        ConfigError: a value is repeated, or a job's config is not valid.
        RunError: the folder holds something else.
    """
    section = config.hydra
    params = section.sweeper.get("params") or {}
    words = [_without_force(word, list(params)) for word in section.overrides.task]
    with open_dict(section):
        section.overrides.task = words
    typed = [plain_override(word) for word in words] + list(section.overrides.hydra)
    overrides = _parse([f"{key}={choices}" for key, choices in params.items()] + words)
    _refuse_repeated_values(overrides)
    is_search = "sampler" in section.sweeper
    jobs = _jobs([one for one in overrides if not is_search or _is_discrete(one)])
    _check_jobs(command, list(section.overrides.hydra), jobs)
    record: SweepRecord = {
        "command": command,
        "words": typed,
        "jobs": None if is_search else jobs,
        "trials": section.sweeper.n_trials if is_search else None,
        "varied": _varied_keys(overrides),
    }
    folder = Path(section.sweep.dir).absolute()
    start_sweep(folder, record)
    return folder


def _without_force(word: str, params: Sequence[str]) -> str:
    """Return a word as it replaces a parameter of the sweeper's, which has no ``++``."""
    return plain_override(word) if override_key(word) in params else word


def _parse(words: Sequence[str]) -> list[Override]:
    """Return overrides as Hydra reads them, the last of each key."""
    parsed = [parse_override(word) for word in words]
    found = {one.get_key_element(): one for one in parsed if one is not None}
    return list(found.values())


def _is_discrete(override: Override) -> bool:
    return not override.is_sweep_override() or override.is_discrete_sweep()


def _jobs(overrides: Sequence[Override]) -> list[list[str]]:
    """Return the overrides of each job, as Hydra combines them."""
    batches = BasicSweeper.split_arguments(list(overrides), None)
    return [[plain_override(word) for word in job] for batch in batches for job in batch]


def _varied_keys(overrides: Sequence[Override]) -> list[str]:
    varied = [one.get_key_element() for one in overrides if one.is_sweep_override()]
    return [override_key(key) for key in varied]


def _refuse_repeated_values(overrides: Sequence[Override]) -> None:
    for override in overrides:
        if not override.is_discrete_sweep():
            continue
        values = [repr(value) for value in override.sweep_iterator()]
        word = plain_override(str(override.input_line))
        if not values:
            raise ConfigError(f"{word} has no value, so there is no job")
        if len(set(values)) < len(values):
            raise ConfigError(f"{word}: a value is repeated, which would make equal jobs")


def _check_jobs(command: str, hydra_words: list[str], jobs: list[list[str]]) -> None:
    """Make sure that the config of each job is valid. What Hydra cannot compose, it reports.

    Raises:
        ConfigError: with one line per fault, of all jobs together.
    """
    faults: list[str] = []
    for job in jobs:
        words = [*hydra_words, *job]
        try:
            composed = hydra.compose(command, force_add_all(words))
            typed_config(composed, command)
        except HydraException:
            return
        except ConfigError as error:
            faults += error.faults
    if faults:
        raise ConfigError(*dict.fromkeys(faults))
