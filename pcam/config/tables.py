"""Names to code, by fixed tables.

A config, a run folder and a checkpoint hold plain names ("pcam", "cosine"); only the tables of the code say what a name
runs. So a file that somebody sends can choose among what is here and nothing else: no dotted path is ever followed.
"""

import inspect
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pcam.errors import ConfigError, suggest

T = TypeVar("T")


def look_up(table: Mapping[str, T], name: object, key: str) -> T:
    """Return ``table[name]``; an unknown name is a ConfigError that names ``key`` and the near names."""
    if not isinstance(name, str) or name not in table:
        raise ConfigError(f"{key}={name} is not known{suggest(str(name), table)}")
    return table[name]


def build(function: Callable[..., T], settings: Mapping[str, Any], key: str, **given: Any) -> T:
    """Call ``function(**settings, **given)``; a setting that it does not take, lacks or takes otherwise is a ConfigError.

    A setting's type is that of the function's annotation, where that is made of plain types.

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
            raise ConfigError(f"unknown key {key}.{name}{suggest(name, known)}")
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
    hints = get_type_hints(function.__init__ if inspect.isclass(function) else function)
    for name, value in settings.items():
        check(value, hints.get(name, Any), f"{key}.{name}")
    return function(**settings, **given)


def once(names: Sequence[object], key: str) -> None:
    """Raise a ConfigError that names ``key`` where a list names something twice."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ConfigError(f"{key}: {', '.join(map(str, twice))} more than once")


def check(value: object, kind: Any, key: str) -> None:
    """Raise a ConfigError that names ``key`` where a value is not of a kind made of plain types; other kinds take any."""
    kinds = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    allowed = [get_origin(one) or one for one in kinds]
    if any(one not in NAMES for one in allowed):
        return
    if float in allowed:
        allowed.append(int)
    if isinstance(value, bool):
        fits = bool in allowed
    elif isinstance(value, float) and value != value:
        fits = False
    elif isinstance(value, str):  # which is a sequence too
        fits = str in allowed
    else:
        fits = isinstance(value, tuple(one for one in allowed if one is not bool))
    if not fits:
        told = " or ".join(
            dict.fromkeys(NAMES[one] for one in allowed if one is not int or float not in allowed)
        )
        shown = "null" if value is None else value
        raise ConfigError(f"{key}={shown} is not {told}")


NAMES = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    type(None): "null",
    list: "a list",
    Sequence: "a list",
    dict: "a table of keys",
    Mapping: "a table of keys",
}
