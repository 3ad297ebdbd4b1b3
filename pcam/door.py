"""What every door does before and after its work: compose the config, and tell failures in one line."""

import contextlib
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from pcam import CONF
from pcam.errors import ConfigError, PcamError, near
from pcam.runs import absolute, not_a_run


@dataclass(frozen=True)
class Call:
    """What a person typed at a door.

    Attributes:
        config: composed, plain values, paths absolute.
        folder: to leave results in; it goes again if nothing comes to lie in it.
        words: the key=value words of the command line.
        sweep: whether this is one job of several.
    """

    config: dict[str, Any]
    folder: Path
    words: list[str]
    sweep: bool


Job = Callable[[Call], float | None]


def door(name: str, begins_runs: bool = False) -> Callable[[Job], Callable[[], None]]:
    """Make a door of a job: ``python -m pcam.NAME key=value group=option``.

    A failure that a user can mend is one line on stderr and exit status 2; in a sweep the other jobs go on.
    HYDRA_FULL_ERROR=1 shows the traceback.

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
            try:
                if not begins_runs:
                    not_a_run(folder)
                return job(Call(absolute(plain(config)), folder, list(typed.overrides.task), sweep))
            except PcamError as error:
                if full or sweep:
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
            sys.argv[1:] = [re.sub(r"^(?=(model|optimizer)\.kwargs\.)", "++", word) for word in sys.argv[1:]]
            os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then hands its exceptions on instead of printing them
            try:
                hydra.main(version_base="1.3", config_path=str(CONF), config_name=name)(told)()
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
                print(f"error: the folder cannot be made ({error}); set hydra.run.dir", file=sys.stderr)
                sys.exit(2)
            except KeyboardInterrupt:
                print("\nstopped", file=sys.stderr)
                sys.exit(130)
            finally:
                if not full:
                    os.environ.pop("HYDRA_FULL_ERROR", None)

        return main

    return decorate


def plain(config: DictConfig) -> dict[str, Any]:
    """Return a composed config as plain values; a value that is missing or cannot be resolved is a ConfigError."""
    try:
        values = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        missing = isinstance(error, MissingMandatoryValue)
        raise ConfigError(f"{error.full_key} must be given" if missing else str(error).splitlines()[0]) from error
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def _line(error: BaseException, name: str) -> str:
    """Return an error in one line, with the near names where a key or choice is not known."""
    if isinstance(error, MissingConfigException) and error.options and error.missing_cfg_file:
        group, _, choice = error.missing_cfg_file.rpartition("/")
        options = [option for option in error.options if isinstance(option, str)]
        return f"{group}={choice} is not known{near(choice, options)} (there is {', '.join(sorted(options))})"
    text = str(error)
    key = re.match(r"(?:Error merging override |Could not override ')([^'=\s]+)", text)
    if isinstance(error, ConfigCompositionException) and key:
        cause = error.__cause__ or error.__context__
        if "Could not override" in text:
            return f"unknown key {key[1]}{near(key[1], _keys(name))}"
        return f"{key[1]}: {str(cause).splitlines()[0] if cause else text.splitlines()[0]}"
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
        return [prefix, *(key for part, value in node.items() for key in walk(value, f"{prefix}.{part}".strip(".")))]

    return [key for key in walk(OmegaConf.to_container(config), "") if key]
