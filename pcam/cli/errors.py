"""Errors as a person reads them: one line each, with similar names."""

import contextlib
import errno
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException
from omegaconf import OmegaConf

from pcam import CONF
from pcam.errors import AccessError, ConfigError, describe_error, suggest
from pcam.runs.access import describe_os_error
from pcam.runs.overrides import override_key

# What torch says, on a CPU and on a GPU.
MEMORY = ("can't allocate memory", "CUDA out of memory", "CUDA error: out of memory")
ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
UNNAMED_ADVICE = (
    "make room on the disks of hydra.run.dir or hydra.sweep.dir, of TMPDIR and of the libraries' "
    "caches, then start the command again"
)


class Abort(BaseException):
    """Carries a failure through Hydra.

    Hydra adds a line of its own to every Exception of a job, and turns those of callbacks into
    warnings.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


@contextlib.contextmanager
def system_errors_expected() -> Iterator[None]:
    """Turn what the system refuses into expected failures: a file, a folder, room, memory.

    Raises:
        AccessError: in place of an OSError that names its path, or is about room.
        ConfigError: no memory is left, on the machine or its GPU.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(part in str(error) for part in MEMORY):
            raise
        place = "the GPU" if "CUDA" in str(error) else "this machine"
        raise ConfigError(
            f"{place} has not enough memory ({describe_error(error)}); lower data.batch_size, or "
            "data.limit or the number of patches"
        ) from error
    except OSError as error:
        named = error.filename is not None and error.errno is not None
        if not named and error.errno not in ROOM:
            raise
        path = Path(os.fsdecode(error.filename or "."))
        reason = describe_os_error(error, path)
        if error.filename is not None:
            raise AccessError(f"{path}: {reason}") from error
        raise AccessError(f"{reason}; {UNNAMED_ADVICE}") from error


def describe_hydra_error(error: BaseException, command: str, words: Sequence[str]) -> str:
    """Return an error of Hydra's or OmegaConf's as one line.

    Args:
        error: Hydra's.
        command: the command's name.
        words: of the command line.
    """
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        return _describe_missing_choice(error)
    text = str(error).replace("++", "")
    found = re.match(r"(?:Error merging override |Could not override ')([^'=\s]+)", text)
    if found is None or not isinstance(error, ConfigCompositionException):
        return " ".join(text.split())
    key = found[1]
    if "Could not override" in text:
        from pcam.config.faults import describe_unknown_key  # pydantic takes a moment to import

        return describe_unknown_key(key, _known_keys(command, words))
    cause = error.__cause__ or error.__context__ or error
    return f"{key}: {str(cause).splitlines()[0]}"


def _describe_missing_choice(error: MissingConfigException) -> str:
    group, _, choice = str(error.missing_cfg_file).rpartition("/")
    options = sorted(option for option in error.options or () if isinstance(option, str))
    if not options:
        return " ".join(str(error).split())
    similar = suggest(choice, options)
    line = f"{group}={choice} is not available{similar}"
    if "did you mean" in similar:
        line += f" (available: {', '.join(options)})"
    if group.startswith("hydra/"):
        line += "; more with: pip install 'pcam[sweep]'"
    return line


def _known_keys(command: str, words: Sequence[str]) -> list[str]:
    """Return the keys that can be set, Hydra's own too, given the choices of the command line."""
    groups = {path.name for path in CONF.iterdir() if path.is_dir()}
    chosen = [word for word in words if override_key(word) in groups and "," not in word]
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        try:
            config = hydra.compose(command, chosen, return_hydra_config=True)
        except HydraException:
            config = hydra.compose(command, return_hydra_config=True)
    values = OmegaConf.to_container(config)
    assert isinstance(values, dict)
    return list(_dotted_keys(values, ""))


def _dotted_keys(values: Mapping[Any, Any], prefix: str) -> Iterator[str]:
    for name, value in values.items():
        yield f"{prefix}{name}"
        if isinstance(value, dict):
            yield from _dotted_keys(value, f"{prefix}{name}.")
