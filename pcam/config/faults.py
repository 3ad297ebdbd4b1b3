"""Faults of a config, as a person reads them: one line each, with the key and what it may be."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pcam.errors import suggest

TYPES = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "a mapping of keys",
    "model_type": "a mapping of keys",
    "model_attributes_type": "a mapping of keys",
    "finite_number": "a finite number",
}
BOUNDS = {
    "greater_than": "greater than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
}


def describe_faults(error: ValidationError, values: Mapping[str, Any]) -> list[str]:
    """Return one line per fault, but for unknown keys (``unknown_keys``).

    Args:
        error: pydantic's.
        values: what was validated.
    """
    lines: dict[str, str] = {}
    expected: dict[str, list[str]] = {}
    for detail in error.errors(include_url=False):
        if detail["type"] == "extra_forbidden":
            continue  # see unknown_keys
        key = _key(detail["loc"], values)
        expectation = _expectation(detail)
        if expectation is None:
            line = _complete_line(detail, key)
            lines[line] = line
            continue
        expected.setdefault(key, []).append(expectation)
        lines[key] = _expected_line(key, detail["input"], expected[key])
    return list(lines.values())


def _key(location: Sequence[int | str], values: Any) -> str:
    """Return the dotted key of a location, without the parts that name a union's member."""
    parts: list[str] = []
    for part in location:
        if isinstance(values, Mapping):
            if part not in values:
                continue
            values = values[part]
        elif isinstance(values, list) and isinstance(part, int) and part < len(values):
            values = values[part]
        else:
            continue
        parts.append(str(part))
    return ".".join(parts)


def _expectation(detail: ErrorDetails) -> str | None:
    """Return what a value should have been; None if the fault is not about a value."""
    kind = detail["type"]
    if kind in TYPES:
        return TYPES[kind]
    if kind in BOUNDS:
        return BOUNDS[kind].format(**detail["ctx"])
    if kind == "literal_error":
        choices: str = detail["ctx"]["expected"].replace("'", "").replace(" or ", ", ")
        return f"one of {choices}" if "," in choices else choices
    if kind == "too_short":
        return "a list of at least one"
    return None


def _expected_line(key: str, value: object, expected: Sequence[str]) -> str:
    shown = "null" if value is None else str(value).lower() if isinstance(value, bool) else value
    wanted = " or ".join(dict.fromkeys(expected))
    choices = [choice for one in expected for choice in _choices(one)]
    similar = suggest(str(value), choices) if isinstance(value, str) and choices else ""
    similar = similar if "did you mean" in similar else ""
    return f"{key}={shown} must be {wanted}{similar}"


def _choices(expectation: str) -> list[str]:
    if not expectation.startswith("one of "):
        return []
    return expectation.removeprefix("one of ").split(", ")


def _complete_line(detail: ErrorDetails, key: str) -> str:
    if detail["type"] == "fault":
        return detail["msg"]
    if detail["type"] == "missing":
        parts = [key, str(detail["loc"][-1])]
        return f"missing key {'.'.join(filter(None, parts))}"
    if detail["type"] in ("union_tag_invalid", "union_tag_not_found"):
        tags = detail["ctx"].get("expected_tags", "").replace("'", "").split(", ")
        name = detail["ctx"].get("tag", "")
        return f"{key}.name={name} is not available{suggest(name, tags)}"
    return f"{key}={detail['input']}: {detail['msg']}"


def unknown_keys(error: ValidationError, values: Mapping[str, Any]) -> list[str]:
    """Return the dotted keys that no section has."""
    found = []
    for detail in error.errors(include_url=False):
        if detail["type"] == "extra_forbidden":
            found += _leaves(_key(detail["loc"], values), detail["input"])
    return found


def _leaves(key: str, value: object) -> list[str]:
    if not isinstance(value, Mapping) or not value:
        return [key]
    return [leaf for part, inner in value.items() for leaf in _leaves(f"{key}.{part}", inner)]


def describe_unknown_key(key: str, known: Iterable[str]) -> str:
    """Return the line about a key that does not exist, with similar ones.

    A key that is the last part of known ones ("lr") is answered with these.
    """
    known = sorted(set(known))
    same_end = [one for one in known if one.rpartition(".")[2] == key]
    if same_end:
        return f"unknown key {key}; did you mean {', '.join(same_end)}?"
    return f"unknown key {key}{suggest(key, known)}"


def known_keys(
    values: Mapping[str, Any], unknown: Iterable[str], model: type[BaseModel]
) -> list[str]:
    """Return the dotted keys that a composed config has and a command knows."""
    unknown = set(unknown)
    keys = [leaf for part, inner in values.items() for leaf in _leaves(part, inner)]
    groups = list(model.model_fields)
    return [key for key in keys if key not in unknown] + groups
