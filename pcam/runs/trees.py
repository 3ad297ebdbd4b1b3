"""JSON and YAML of folders that may be somebody else's: plain values, of bounded size and depth."""

import json
import math
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any

import yaml

from pcam.errors import RunError, describe_error, shorten_value
from pcam.runs.access import access_error, ensure_readable

JsonObject = dict[str, Any]  # the keys of a file, with plain values
LARGEST = 32 << 20  # bytes
DEEPEST = 50  # levels of lists and tables


def read_text(path: Path) -> str:
    """Return the text of a file, UTF-8.

    Raises:
        AccessError: it cannot be read now.
        RunError: it is too large, or is no UTF-8.
    """
    ensure_readable(path)
    if path.stat().st_size > LARGEST:
        raise RunError(f"{path} is damaged: it has more than {LARGEST >> 20} MB")
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise RunError(f"{path} is damaged ({describe_error(error)})") from error
    except OSError as error:
        raise (access_error(path, error) or error) from error


def read_json_file(path: Path) -> JsonObject:
    """Return the keys of a JSON file.

    Raises:
        AccessError: it cannot be read now.
        RunError: it is damaged: no JSON, a key twice, numbers that are not finite, too deep.
    """
    return _read(path, parse_json)


def read_json_value(path: Path) -> object:
    """Return the value of a JSON file: keys, a list, or a single value.

    Raises:
        AccessError: it cannot be read now.
        RunError: it is damaged, see ``read_json_file``.
    """
    return _read_value(path, parse_json)


def read_yaml_file(path: Path) -> JsonObject:
    """Return the keys of a YAML file of plain values, without tags, anchors and aliases.

    Raises:
        AccessError: it cannot be read now.
        RunError: it is damaged: no YAML, a key twice, too deep, or more than plain values.
    """
    return _read(path, parse_yaml)


def _read(path: Path, parse: Callable[[str], object]) -> JsonObject:
    content = _read_value(path, parse)
    if not isinstance(content, dict):
        raise RunError(f"{path} is damaged: it has no keys")
    return content


def _read_value(path: Path, parse: Callable[[str], object]) -> object:
    text = read_text(path)
    try:
        return parse(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RunError(f"{path} is damaged ({reason})") from error


def parse_json(text: str) -> object:
    """Return the value of a JSON text.

    Raises:
        ValueError: it is none, has a key twice, an infinite number, or too many levels.
    """
    try:
        content = json.loads(
            text, parse_constant=_refuse_constant, object_pairs_hook=_table, parse_float=_number
        )
    except RecursionError as error:
        raise ValueError(f"more than {DEEPEST} levels") from error
    _check_depth(content, 0)
    return content


def _refuse_constant(word: str) -> float:
    raise ValueError(f"{word} is not a number of JSON")


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{shorten_value(text)} is too large")
    return number


def _table(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    table = dict(pairs)
    if len(table) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {shorten_value(repeated)} is there twice")
    return table


def _check_depth(value: object, depth: int) -> None:
    if depth > DEEPEST:
        raise ValueError(f"more than {DEEPEST} levels")
    inner: Sequence[object] = ()
    if isinstance(value, dict):
        inner = list(value.values())
    elif isinstance(value, list):
        inner = value
    for item in inner:
        _check_depth(item, depth + 1)


# libyaml's parser, which is several times as fast; PyYAML may be built without it
_SafeLoader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _PlainLoader(_SafeLoader):  # type: ignore[misc, valid-type]
    """Constructs tables whose keys are texts, each once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return a table."""
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise ValueError(f"the key {shorten_value(key)} is not text")
            if key in seen:
                raise ValueError(f"the key {shorten_value(key)} is there twice")
            seen.add(key)
        table: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return table


def parse_yaml(text: str) -> object:
    """Return the value of a YAML text.

    Raises:
        ValueError: it has tags, anchors or aliases, a key twice or that is not text, or too many
            levels.
        yaml.YAMLError: it is no YAML.
    """
    _check_events(text)
    return yaml.load(text, _PlainLoader)


def _check_events(text: str) -> None:
    """Check what YAML is made of before any value is constructed."""
    depth = 0
    for event in yaml.parse(text, _SafeLoader):
        anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if anchor is not None:
            raise ValueError(f"it has an anchor or an alias ({shorten_value(anchor)})")
        if tag is not None:
            raise ValueError(f"it has a tag ({shorten_value(tag)})")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise ValueError(f"more than {DEEPEST} levels")
