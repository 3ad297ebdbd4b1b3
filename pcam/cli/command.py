"""What every door does before and after its work: compose the config, begin a sweep, and tell failures in one line."""

import contextlib
import itertools
import logging
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from pcam import CONF
from pcam.errors import ConfigError, PcamError, suggest
from pcam.runs.folder import ensure_not_run_dir, make_paths_absolute
from pcam.runs.resume import override_key
from pcam.sweeps.state import (
    FailedBefore,
    discard_sweep,
    failure_summary,
    newest_sweep,
    record_failure,
    reopen_job,
    resume_hint,
    start_sweep,
)

FOLDERS = (
    "--config-dir",
    "-cd",
    "--config-path",
    "-cp",
)  # Hydra's options that name folders of YAMLs
# those that only tell something
TELLING = ("--cfg", "-c", "--info", "-i", "--help", "-h", "--hydra-help", "--version", "--resolve", "--package", "-p",
           "--shell-completion", "-sc")  # fmt: skip


@dataclass(frozen=True)
class Invocation:
    """What a person typed at a door.

    Attributes:
        config: composed, plain values, paths absolute.
        folder: to leave results in; it goes again if nothing comes to lie in it.
        words: the key=value words of the command line.
        job: its number, where it is one job of a sweep.
        placed: whether the folder was named, not made from the time.
    """

    config: dict[str, Any]
    folder: Path
    words: list[str]
    job: int | None
    placed: bool


Job = Callable[[Invocation], float | None]


def command(name: str, begins_runs: bool = False) -> Callable[[Job], Callable[[], None]]:
    """Make a door of a job: ``python -m pcam.NAME key=value group=option``.

    A failure that a user can mend is one line on stderr and exit status 2; in a sweep the other jobs go on, and why one failed
    stays in its folder. HYDRA_FULL_ERROR=1 shows the traceback.

    Args:
        name: of the config in conf/.
        begins_runs: the folder may hold a run; any other door would write over its summary and predictions.
    """

    def decorate(job: Job) -> Callable[[], None]:
        full = "HYDRA_FULL_ERROR" in os.environ
        begun = False

        def told(config: DictConfig) -> float | None:
            """Do the job; a single run ends here, before Hydra adds lines of its own, a sweep goes on."""
            nonlocal begun
            begun = True
            typed = HydraConfig.get()
            folder, sweep = Path(typed.runtime.output_dir), typed.mode == RunMode.MULTIRUN
            words = list(typed.overrides.task)
            placed = any(override_key(word) == "hydra.run.dir" for word in typed.overrides.hydra)
            try:
                if sweep:
                    reopen_job(folder, search="sampler" in typed.sweeper)
                else:
                    _no_sweep(typed.sweeper.get("params") or {}, words)
                if not begins_runs:
                    ensure_not_run_dir(folder)
                value = job(
                    Invocation(
                        make_paths_absolute(plain(config)),
                        folder,
                        words,
                        typed.job.num if sweep else None,
                        placed,
                    )
                )
                (folder / "failure.json").unlink(
                    missing_ok=True
                )  # of a start that found this one at work
                return value
            except Exception as error:
                if sweep:
                    line = (
                        str(error)
                        if isinstance(error, FailedBefore)
                        else record_failure(folder, error, words)
                    )
                    print(f"job {typed.job.num} failed: {line}", file=sys.stderr, flush=True)
                if full or sweep or not isinstance(error, PcamError):
                    raise
                print(f"error: {error}", file=sys.stderr)
                sys.exit(2)
            finally:
                with contextlib.suppress(OSError):
                    folder.rmdir()

        def main() -> None:
            nonlocal begun
            begun = False
            # argparse takes no option between key=value words
            sys.argv[1:] = sorted(sys.argv[1:], key=lambda word: word not in ("-m", "--multirun"))
            # These are open: any key may be added there, without Hydra's plus sign.
            sys.argv[1:] = [
                re.sub(r"^(?=(model|optimizer)\.kwargs\.)", "++", word) for word in sys.argv[1:]
            ]
            logging.getLogger("alembic").setLevel(
                logging.WARNING
            )  # it tells of each of its plugins, on a search
            os.environ["HYDRA_FULL_ERROR"] = (
                "1"  # Hydra then hands its exceptions on instead of printing them
            )
            sweep, ending = None, None
            try:
                sweep = _sweep(name)
                try:
                    hydra.main(version_base="1.3", config_path=str(CONF), config_name=name)(told)()
                    ending = sweep and failure_summary(sweep)
                except Exception:
                    ending = sweep and failure_summary(sweep)
                    if full or not ending:
                        raise
                finally:
                    if sweep:
                        discard_sweep(sweep)
                sys.stdout.flush()
            except (PcamError, HydraException, OmegaConfBaseException) as error:
                if full:
                    raise
                print(f"error: {_line(error, name)}", file=sys.stderr)
                sys.exit(2)
            except BrokenPipeError:  # what reads the output has seen enough (| head)
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                sys.exit(0)
            except OSError as error:
                if full or begun:
                    raise
                print(
                    f"error: the folder cannot be made ({error}); set hydra.run.dir",
                    file=sys.stderr,
                )
                sys.exit(2)
            except (KeyboardInterrupt, SystemExit) as stop:
                if sweep is None and isinstance(stop, SystemExit):  # its reason was told
                    raise
                print(f"\nstopped{f'; {resume_hint(sweep)}' if sweep else ''}", file=sys.stderr)
                sys.exit(130)
            finally:
                if not full:
                    os.environ.pop("HYDRA_FULL_ERROR", None)
            if ending:
                print(f"error: {ending[0]}", file=sys.stderr)
                sys.exit(ending[1])

        return main

    return decorate


def plain(config: DictConfig) -> dict[str, Any]:
    """Return a composed config as plain values; a value that is missing or cannot be resolved is a ConfigError."""
    try:
        values = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        missing = isinstance(error, MissingMandatoryValue)
        raise ConfigError(
            f"{error.full_key} must be given" if missing else str(error).splitlines()[0]
        ) from error
    assert isinstance(values, dict)
    return {str(override_key): value for override_key, value in values.items()}


def _no_sweep(swept: Mapping[str, Any], words: Sequence[str]) -> None:
    """Make sure that what an experiment sweeps over was given one value each, where one run alone is made.

    Raises:
        ConfigError: it was not.
    """
    typed = {override_key(word) for word in words}
    left = [f"{one}={choices}" for one, choices in swept.items() if one not in typed]
    if left:
        raise ConfigError(
            f"this is a sweep over {', '.join(left)}; type -m first, or choose one of each"
        )


def _sweep(name: str) -> Path | None:
    """Begin the sweep that the command line asks for, or find the one to go on with; tell Hydra where it lies.

    Returns:
        Its folder; None where no sweep is asked for, or where Hydra is to tell what is wrong with the words.

    Raises:
        ConfigError: the command line says what no sweep can do.
        RunError: the folder holds something else.
    """
    options = {word.partition("=")[0] for word in sys.argv[1:] if word.startswith("-")}
    typed = [word for word in sys.argv[1:] if not word.startswith("-")]
    others = sorted(options - {"-m", "--multirun"})
    if others == sorted(options) or options & set(TELLING):
        return None
    if others:
        mend = (
            "; for YAMLs of your own type 'hydra.searchpath=[file:///DIR]'"
            if others[0] in FOLDERS
            else ""
        )
        raise ConfigError(
            f"{others[0]} does not go with -m: such a sweep could not be gone on with{mend}"
        )
    if any(override_key(word) == "hydra.sweep.subdir" for word in typed):
        raise ConfigError(
            "hydra.sweep.subdir: a sweep's jobs are folders by number; hydra.sweep.dir=FOLDER names the sweep's"
        )
    parser = OverridesParser.create()
    try:
        given = {one.get_key_element(): one for one in parser.parse_overrides(typed)}
        first = [choices[0] for one in given.values() if (choices := _choices(one))]
        with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
            config = hydra.compose(name, first, return_hydra_config=True).hydra
        params = {
            f"{param}={choices}": param
            for param, choices in (config.sweeper.get("params") or {}).items()
        }
        swept = {one.get_key_element(): one for one in parser.parse_overrides(list(params))}
        folder = Path(config.sweep.dir).absolute()
    except (HydraException, OmegaConfBaseException):
        return None
    resume = given["resume"].value() if name == "train" and "resume" in given else None
    if resume == "auto" and "hydra.sweep.dir" not in given:
        folder = newest_sweep(Path("multirun").absolute(), typed) or folder
    elif resume not in (None, "auto"):
        folder = Path(str(resume)).absolute()
    search = "sampler" in config.sweeper
    words = {**swept, **given}.values()
    for one in words:
        values = list(map(repr, one.sweep_iterator())) if one.is_discrete_sweep() else []
        if len(set(values)) < len(values):
            raise ConfigError(
                f"{one.input_line}: a value is named twice, which would make equal jobs"
            )
    jobs = [
        _choices(one)
        for one in words
        if re.split("[./]", one.key_or_group)[0] not in ("hydra", "resume")
    ]
    combined = None if search else [list(job) for job in itertools.product(*jobs)]
    told = {
        "jobs": combined,
        "trials": config.sweeper.n_trials if search else None,
        "varied": [one.get_key_element() for one in words if one.is_sweep_override()],
    }
    start_sweep(folder, name, typed, told, anew=resume in (None, "auto"))
    quoted = str(folder).replace("'", "\\'")
    kept = [word for word in typed if override_key(word) not in ("resume", "hydra.sweep.dir")]
    sys.argv[1:] = ["-m", *kept, f"hydra.sweep.dir='{quoted}'"]
    return folder


def _choices(word: Override) -> list[str]:
    """Return what a word of the command line stands for: itself, each of a sweep, none of an interval."""
    if not word.is_sweep_override():
        return [str(word.input_line)]
    return (
        [f"{word.get_key_element()}={one}" for one in word.sweep_string_iterator()]
        if word.is_discrete_sweep()
        else []
    )


def _line(error: BaseException, name: str) -> str:
    """Return an error in one line, with the near names where a key or choice is not known."""
    if isinstance(error, MissingConfigException) and error.options and error.missing_cfg_file:
        group, _, choice = error.missing_cfg_file.rpartition("/")
        options = [option for option in error.options if isinstance(option, str)]
        told = f"{group}={choice} is not known{suggest(choice, options)} (there is {', '.join(sorted(options))})"
        return told + ("; pip install 'pcam[sweep]' for more" if group.startswith("hydra/") else "")
    text = str(error)
    override_key = re.match(r"(?:Error merging override |Could not override ')([^'=\s]+)", text)
    if isinstance(error, ConfigCompositionException) and override_key:
        cause = error.__cause__ or error.__context__
        if "Could not override" in text:
            return f"unknown key {override_key[1]}{suggest(override_key[1], _keys(name))}"
        return f"{override_key[1]}: {str(cause).splitlines()[0] if cause else text.splitlines()[0]}"
    return " ".join(text.split())


def _keys(name: str) -> list[str]:
    """Return the keys that can be set with the choices on this command line, whole and by their last part."""
    groups = {path.name for path in CONF.iterdir() if path.is_dir()}
    chosen = [word for word in sys.argv[1:] if word.partition("=")[0] in groups and "," not in word]
    try:
        with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
            config = hydra.compose(name, chosen)
    except HydraException:
        return sorted(groups)

    def walk(node: Any, prefix: str) -> list[str]:
        if not isinstance(node, dict):
            return [prefix]
        return [
            prefix,
            *(
                override_key
                for part, value in node.items()
                for override_key in walk(value, f"{prefix}.{part}".strip("."))
            ),
        ]

    return [
        override_key for override_key in walk(OmegaConf.to_container(config), "") if override_key
    ]
