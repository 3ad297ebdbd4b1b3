"""Names to code, by fixed tables.

A config, a run folder and a checkpoint hold plain names ("pcam", "cosine"); only the tables of the code say what a name
runs. So a file that somebody sends can choose among what is here and nothing else: no dotted path is ever followed.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pcam.errors import ConfigError, near

T = TypeVar("T")


def look_up(table: Mapping[str, T], name: object, key: str) -> T:
    """Return ``table[name]``; an unknown name is a ConfigError that names ``key`` and the near names."""
    if not isinstance(name, str) or name not in table:
        raise ConfigError(f"{key}={name} is not known{near(str(name), table)}")
    return table[name]


def call(function: Callable[..., T], settings: Mapping[str, Any], key: str, **given: Any) -> T:
    """Call ``function(**settings, **given)``; a setting that it does not take, or lacks, is a ConfigError.

    Args:
        function: what the settings configure.
        settings: what a person wrote under ``key`` in the config.
        key: the config's key, for the message.
        **given: what the code adds; no setting may have the name of one.
    """
    parameters = inspect.signature(function).parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for name in settings:
        if name not in parameters and not open_ended:
            known = set(parameters) - set(given)
            raise ConfigError(f"unknown key {key}.{name}{near(name, known)}")
    missing = [
        p.name
        for p in parameters.values()
        if p.default is p.empty
        and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        and p.name not in settings
        and p.name not in given
    ]
    if missing:
        raise ConfigError(f"missing key {', '.join(f'{key}.{name}' for name in missing)}")
    return function(**settings, **given)
