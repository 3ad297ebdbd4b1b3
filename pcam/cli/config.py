"""From what Hydra composes to the typed config of a command."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError, OmegaConfBaseException

from pcam.errors import ConfigError

if TYPE_CHECKING:
    from pcam.config.schema import CommandConfig

INTERPOLATED = re.compile(r"^Interpolation key '([^']+)' not found")  # how OmegaConf names a key


def share_config_store() -> None:
    """Stop Hydra from copying its store of structured configs at each look-up.

    --help looks each config group up, about 140 times in all, and spends most of its time on these
    copies. Hydra copies a config once more when it loads it, so that one store is enough.
    """
    store = ConfigStore.instance()
    vars(store)["__deepcopy__"] = lambda memo: store


def typed_config(composed: DictConfig, command: str) -> CommandConfig:
    """Return the validated config of a command.

    Args:
        composed: what Hydra composed, without its own ``hydra`` section.
        command: the command's name.

    Raises:
        ConfigError: with one line per fault.
    """
    # pydantic takes a moment to import: --help and --cfg do not need it.
    from pcam.config import schema
    from pcam.config.validation import validate

    model: type[CommandConfig] = getattr(schema, f"{command.capitalize()}Config")
    interpolated = set(_interpolated_keys(composed, ""))  # their faults are those of other keys
    with _omegaconf_errors_expected():
        missing = _remove_missing(composed)
    faults = [f"missing key {key}" for key in missing]
    try:
        config = validate(model, plain(composed))
    except ConfigError as error:
        faults += error.faults
    if faults:
        own = [fault for fault in faults if fault.partition("=")[0] not in interpolated]
        raise ConfigError(*dict.fromkeys(own or faults))
    return config


def plain(composed: DictConfig) -> dict[str, Any]:
    """Return a composed config as plain values.

    Raises:
        ConfigError: a value is missing, or an interpolation cannot be resolved.
    """
    missing = sorted(OmegaConf.missing_keys(composed))
    if missing:
        raise ConfigError(*[f"missing key {key}" for key in missing])
    with _omegaconf_errors_expected():
        values = OmegaConf.to_container(composed, resolve=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


@contextlib.contextmanager
def _omegaconf_errors_expected() -> Iterator[None]:
    """Turn errors of interpolations into faults of the config.

    Raises:
        ConfigError: in place of OmegaConf's error; a key that others follow has been deleted.
    """
    try:
        yield
    except InterpolationKeyError as error:
        found = INTERPOLATED.search(str(error))
        line = str(error).splitlines()[0]
        raise ConfigError(f"missing key {found[1]}" if found else line) from error
    except OmegaConfBaseException as error:
        raise ConfigError(str(error).splitlines()[0]) from error


def _interpolated_keys(composed: DictConfig, prefix: str) -> Iterator[str]:
    """Yield the dotted keys whose values follow other keys: ``${seed}``."""
    for name in composed:
        if not isinstance(name, str):
            continue  # of a mapping that was typed; no key of the config
        if OmegaConf.is_interpolation(composed, name):
            yield f"{prefix}{name}"
        elif not OmegaConf.is_missing(composed, name) and isinstance(composed[name], DictConfig):
            yield from _interpolated_keys(composed[name], f"{prefix}{name}.")


def _remove_missing(composed: DictConfig) -> list[str]:
    """Remove the keys without a value (``???``), so that the others can be checked; return them."""
    missing = sorted(OmegaConf.missing_keys(composed))
    OmegaConf.set_struct(composed, False)
    OmegaConf.set_readonly(composed, False)
    for key in missing:
        section, _, name = key.rpartition(".")
        parent = OmegaConf.select(composed, section) if section else composed
        del parent[name]
    return missing
