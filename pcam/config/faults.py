"""Faults of a config, as a person reads them: one line each, with the key and what it may be."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pcam.errors import printable, shorten_value, suggest

UNKNOWN_KEY = "extra_forbidden"
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
    "less_than_equal": "at most {le}",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "string_too_short": "text of at least {min_length} characters",
    "string_too_long": "text of at most {max_length} characters",
}
ONE_OF = "one of "


def describe_faults(error: ValidationError, values: Mapping[str, Any]) -> list[str]:
    """Return one line per fault, but for unknown keys (``unknown_keys``).

    Several faults of one value, of the members of a union, become one line.

    Args:
        error: pydantic's.
        values: what was validated.
    """
    lines: dict[str, str] = {}
    expected: dict[str, list[str]] = {}
    details = error.errors(include_url=False)
    # Where a value has one of the types of a union, that it has not the others says nothing.
    of_right_type = [
        dotted_key(detail["loc"], values) for detail in details if detail["type"] == "value_fault"
    ]
    for detail in details:
        if detail["type"] == UNKNOWN_KEY:
            continue
        key = dotted_key(detail["loc"], values)
        if detail["type"] in TYPES and key in of_right_type:
            continue
        expectation = describe_expectation(detail)
        if expectation is None:
            line = describe_other(detail, key)
            lines[line] = line
            continue
        expected.setdefault(key, []).append(expectation)
        lines[key] = describe_value(key, detail["input"], expected[key])
    return list(lines.values())


def dotted_key(location: Sequence[int | str], values: object) -> str:
    """Return the dotted key of a location, without the parts that name a member of a union.

    Args:
        location: pydantic's.
        values: what was validated.
    """
    parts: list[str] = []
    for part in location:
        if not _contains(values, part):
            continue
        values = values[part]  # type: ignore[index]
        parts.append(str(part))
    return ".".join(parts)


def _contains(values: object, part: int | str) -> bool:
    if isinstance(values, Mapping):
        return part in values
    return isinstance(values, list) and isinstance(part, int)


def describe_expectation(detail: ErrorDetails) -> str | None:
    """Return what a value should have been: "an integer"; None if the fault is another."""
    kind = detail["type"]
    if kind in TYPES:
        return TYPES[kind]
    if kind in BOUNDS:
        return BOUNDS[kind].format(**detail["ctx"])
    if kind == "literal_error":
        return _describe_choices(detail["ctx"]["expected"])
    return None


def _describe_choices(expected: str) -> str:
    """Return "one of a, b" of pydantic's "'a' or 'b'"."""
    choices = expected.replace("'", "").replace(" or ", ", ")
    return ONE_OF + choices if "," in choices else choices


def describe_value(key: str, value: object, expected: Sequence[str]) -> str:
    """Return the line about a value, with similar choices if it is text.

    Args:
        key: dotted.
        value: as it was given.
        expected: what it should have been; any of these.
    """
    wanted = " or ".join(dict.fromkeys(expected))
    line = f"{key}={_as_typed(value)} must be {wanted}"
    choices = _choices(expected)
    if not isinstance(value, str) or not choices:
        return line
    similar = suggest(value, choices)
    return line + similar if "did you mean" in similar else line


def _as_typed(value: object) -> str:
    """Return a value as YAML and the command line have it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return shorten_value(value)


def _choices(expected: Sequence[str]) -> list[str]:
    choices: list[str] = []
    for expectation in expected:
        if expectation.startswith(ONE_OF):
            choices += expectation.removeprefix(ONE_OF).split(", ")
    return choices


def describe_other(detail: ErrorDetails, key: str) -> str:
    """Return the line about a fault that is not about one value's type or range."""
    kind = detail["type"]
    if kind == "fault":
        return detail["msg"]
    if kind == "value_fault":
        return f"{key}: {detail['msg']}"
    if kind == "missing":
        missing = str(detail["loc"][-1])
        return f"missing key {key}.{missing}" if key else f"missing key {missing}"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        names = detail["ctx"].get("expected_tags", "").replace("'", "").split(", ")
        name = detail["ctx"].get("tag", "")
        return f"{key}.name={shorten_value(name)} is not available{suggest(name, names)}"
    return f"{key}={shorten_value(detail['input'])}: {detail['msg']}"


def unknown_keys(error: ValidationError, values: Mapping[str, Any]) -> list[str]:
    """Return the dotted keys that no section has.

    Args:
        error: pydantic's.
        values: what was validated.
    """
    found: list[str] = []
    for detail in error.errors(include_url=False):
        if detail["type"] == UNKNOWN_KEY:
            key = dotted_key(detail["loc"], values)
            found += leaf_keys(key, detail["input"])
    return found


def leaf_keys(key: str, value: object) -> Iterator[str]:
    """Yield the dotted keys of the values below a key."""
    if not isinstance(value, Mapping) or not value:
        yield key
        return
    for name, inner in value.items():
        yield from leaf_keys(f"{key}.{name}", inner)


def describe_unknown_key(key: str, known: Iterable[str]) -> str:
    """Return the line about a key that does not exist, with similar ones.

    These are those of its section, or of all where there is no such section; else those of other
    sections with the same last part ("lr"); else all of its section, if these are few.

    Args:
        key: dotted.
        known: dotted keys.
    """
    names = sorted(set(known))
    section, _, last = key.rpartition(".")
    inner = _keys_of(section, names)
    similar = suggest(last, inner, section) if inner else suggest(key, names)
    same_end = [name for name in names if name.rpartition(".")[2] == last]
    is_similar = "did you mean" in similar and bool(section)
    if same_end and not is_similar:
        similar = f"; did you mean {', '.join(same_end)}?"
    return f"unknown key {printable(key)}{similar}"


def _keys_of(section: str, names: Iterable[str]) -> list[str]:
    """Return the keys right in a section, without its name."""
    prefix = f"{section}."
    inner = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
    return sorted({name.partition(".")[0] for name in inner})


def known_keys(
    values: Mapping[str, Any], unknown: Iterable[str], model: type[BaseModel]
) -> list[str]:
    """Return the dotted keys that a command knows.

    Args:
        values: what was composed.
        unknown: keys in it that the command does not know.
        model: the class of the command's config.
    """
    keys = set(model.model_fields)
    for section, inner in values.items():
        keys.update(leaf_keys(section, inner))
    return sorted(keys.difference(unknown))
