"""Mutations of csv, JSON and YAML: their structure and their values."""

import copy
import csv
import io
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.mutations.cases import Accept, Mutation, any_content
from tests.mutations.files import rewrite

DEEP = 100_000  # levels
LONG = 100_000  # characters
Rows = list[list[str]]
Keys = tuple[str | int, ...]

# What a value is replaced by, as the parsers know it.
ODD: dict[str, object] = {
    "inf": float("inf"),
    "-inf": float("-inf"),
    "nan": float("nan"),
    "1e20": 1e20,
    "2^63": 2**63,
    "0": 0,
    "-1": -1,
    "0.5": 0.5,
    "5": 5,
    "true": True,
    "null": None,
    "empty text": "",
    "space": " ",
    "text": "abc",
    "long text": "x" * LONG,
    "list": [],
    "list of 1": [1],
    "table": {},
    "line break": "a\nb",
    "escape code": "\x1b[31mred",
}
CELLS = {
    "empty": "",
    "text": "abc",
    "inf": "inf",
    "nan": "nan",
    "-1": "-1",
    "2": "2",
    "1e400": "1e400",
    "0x1": "0x1",
    "1_0": "1_0",
    "true": "true",
    "space": " ",
    "spaces around": " 1 ",
    "Arabic digit": "\u0661",
    "long": "9" * LONG,
    "very long": "x" * 200_000,
    "line break": "a\nb",
    "escape code": "\x1b[31mred\x1b[0m",
    "NUL": "a\0b",
    "direction": "a\u202eb",
    "quote": 'a"b',
    "formula": "=1+1",
}


def csv_mutations(
    name: str,
    columns: Sequence[str],
    accept: Accept | None = None,
    optional: Sequence[str] = (),
    further: Accept | None = None,
) -> list[Mutation]:
    """Return the mutations of a csv with a header.

    Args:
        name: of the file, relative to the input.
        columns: that are read.
        accept: for other cells.
        optional: columns that a file may do without.
        further: for a further column, where it is read too.
    """
    found = [
        Mutation(f"{name}: a row removed", _rows(name, _remove_row), accept),
        Mutation(f"{name}: a row twice", _rows(name, _repeat_row)),
        Mutation(f"{name}: rows shuffled", _rows(name, _shuffle), accept),
        Mutation(f"{name}: a row cut short", _rows(name, _shorten_row), accept),
        Mutation(f"{name}: a row too long", _rows(name, _lengthen_row), refused=True),
        Mutation(f"{name}: header only", _rows(name, lambda rows, draw: rows[:1]), refused=True),
        Mutation(f"{name}: no header", _rows(name, lambda rows, draw: rows[1:]), refused=True),
        Mutation(f"{name}: header twice", _rows(name, _repeat_header)),
        Mutation(f"{name}: a further column", _rows(name, _add_column), further),
        Mutation(f"{name}: columns in another order", _rows(name, _reverse_columns)),
        Mutation(f"{name}: blank lines", _text(name, lambda text: text.replace("\n", "\n\n"))),
        Mutation(f"{name}: CRLF", _text(name, lambda text: text.replace("\n", "\r\n"))),
        Mutation(f"{name}: CR", _text(name, lambda text: text.replace("\n", "\r")), accept),
        Mutation(f"{name}: byte-order mark", _text(name, lambda text: "\ufeff" + text)),
        Mutation(f"{name}: semicolons", _text(name, lambda text: text.replace(",", ";")), accept),
        Mutation(f"{name}: an open quote", _text(name, lambda text: text + '"')),
        Mutation(f"{name}: a quote opens early", _rows_text(name, _open_quote), refused=True),
    ]
    for column in columns:
        found += _column_mutations(name, column, accept, column in optional)
    return found


def _column_mutations(
    name: str, column: str, accept: Accept | None, optional: bool
) -> Iterator[Mutation]:
    where = f"{name}, column {column}"
    yield Mutation(
        f"{where}: missing", _rows(name, _drop(column)), any_content if optional else None
    )
    yield Mutation(f"{where}: twice, different", _rows(name, _twice(column, True)), refused=True)
    yield Mutation(f"{where}: twice, equal", _rows(name, _twice(column, False)))
    yield Mutation(f"{where}: empty", _rows(name, _blank(column)), accept)
    for label, cell in CELLS.items():
        yield Mutation(f"{where}: a cell is {label}", _rows(name, _cell(column, cell)), accept)


def _rows(name: str, change: Callable[[Rows, random.Random], Rows]) -> Callable[..., object]:
    def apply(folder: Path, draw: random.Random) -> None:
        rows = list(csv.reader(io.StringIO((folder / name).read_text("utf-8"))))
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerows(change(rows, draw))
        rewrite(folder / name, lambda _: buffer.getvalue().encode())

    return apply


def _text(name: str, change: Callable[[str], str]) -> Callable[..., object]:
    def apply(folder: Path, draw: random.Random) -> None:
        rewrite(folder / name, lambda content: change(content.decode()).encode())

    return apply


def _rows_text(name: str, change: Callable[[list[str]], list[str]]) -> Callable[..., object]:
    return _text(name, lambda text: "\n".join(change(text.splitlines())) + "\n")


def _open_quote(lines: list[str]) -> list[str]:
    return [lines[0], '"' + lines[1], *lines[2:]]


def _remove_row(rows: Rows, draw: random.Random) -> Rows:
    del rows[draw.randrange(1, len(rows))]
    return rows


def _repeat_row(rows: Rows, draw: random.Random) -> Rows:
    return [*rows, rows[draw.randrange(1, len(rows))]]


def _shuffle(rows: Rows, draw: random.Random) -> Rows:
    rest = rows[1:]
    draw.shuffle(rest)
    return [rows[0], *rest]


def _shorten_row(rows: Rows, draw: random.Random) -> Rows:
    rows[draw.randrange(1, len(rows))].pop()
    return rows


def _lengthen_row(rows: Rows, draw: random.Random) -> Rows:
    rows[draw.randrange(1, len(rows))].append("1")
    return rows


def _repeat_header(rows: Rows, draw: random.Random) -> Rows:
    return [*rows[:3], rows[0], *rows[3:]]


def _add_column(rows: Rows, draw: random.Random) -> Rows:
    return [[*row, "further" if number == 0 else "1"] for number, row in enumerate(rows)]


def _reverse_columns(rows: Rows, draw: random.Random) -> Rows:
    return [row[::-1] for row in rows]


def _drop(column: str) -> Callable[[Rows, random.Random], Rows]:
    def change(rows: Rows, draw: random.Random) -> Rows:
        place = rows[0].index(column)
        return [row[:place] + row[place + 1 :] for row in rows]

    return change


def _twice(column: str, different: bool) -> Callable[[Rows, random.Random], Rows]:
    def change(rows: Rows, draw: random.Random) -> Rows:
        place = rows[0].index(column)
        copies = [row[place] for row in rows]
        if different:
            copies[-1] += "1"
        return [[*row, cell] for row, cell in zip(rows, copies, strict=True)]

    return change


def _blank(column: str) -> Callable[[Rows, random.Random], Rows]:
    def change(rows: Rows, draw: random.Random) -> Rows:
        place = rows[0].index(column)
        for row in rows[1:]:
            row[place] = ""
        return rows

    return change


def _cell(column: str, cell: str) -> Callable[[Rows, random.Random], Rows]:
    def change(rows: Rows, draw: random.Random) -> Rows:
        rows[draw.randrange(1, len(rows))][rows[0].index(column)] = cell
        return rows

    return change


# Trees ------------------------------------------------------------------------------------------


def tree_mutations(
    name: str,
    values: Mapping[str, Any],
    fits: Callable[[Keys, object, object], bool],
    required: Callable[[Keys], bool] = lambda keys: True,
) -> list[Mutation]:
    """Return the mutations of a JSON or YAML file.

    Args:
        name: of the file, relative to the input; its ending says which of the two it is.
        values: what it holds.
        fits: whether a value may be in the place of another (keys, before, after).
        required: whether a key must be there.
    """
    found = list(_whole_mutations(name))
    for keys in walk(values):
        where = f"{name}, {'.'.join(map(str, keys))}"
        accept = None if required(keys) else any_content
        found.append(Mutation(f"{where}: missing", _tree(name, _deleted(keys)), accept))
        before = value_at(values, keys)
        for label, odd in ODD.items():
            right = fits(keys, before, odd)
            found.append(
                Mutation(
                    f"{where}={label}",
                    _tree(name, _replaced(keys, odd)),
                    any_content if right else None,
                    refused=not right,
                )
            )
    return found


def walk(values: object, keys: Keys = ()) -> Iterator[Keys]:
    """Yield the keys of each value below another."""
    items: Sequence[tuple[str | int, object]] = ()
    if isinstance(values, Mapping):
        items = list(values.items())
    elif isinstance(values, list):
        items = list(enumerate(values))
    for key, value in items:
        yield (*keys, key)
        yield from walk(value, (*keys, key))


def value_at(values: Any, keys: Keys) -> Any:
    """Return a value by its keys."""
    for key in keys:
        values = values[key]
    return values


def _tree(name: str, change: Callable[[Any], Any]) -> Callable[..., object]:
    def apply(folder: Path, draw: random.Random) -> None:
        text = (folder / name).read_text("utf-8")
        is_yaml = name.endswith(".yaml")
        values = yaml.safe_load(text) if is_yaml else json.loads(text)
        values = change(copy.deepcopy(values))
        written = yaml.safe_dump(values) if is_yaml else json.dumps(values)
        rewrite(folder / name, lambda _: written.encode())

    return apply


def _deleted(keys: Keys) -> Callable[[Any], Any]:
    def change(values: Any) -> Any:
        del value_at(values, keys[:-1])[keys[-1]]
        return values

    return change


def _replaced(keys: Keys, odd: object) -> Callable[[Any], Any]:
    def change(values: Any) -> Any:
        value_at(values, keys[:-1])[keys[-1]] = copy.deepcopy(odd)
        return values

    return change


def _whole_mutations(name: str) -> Iterator[Mutation]:
    texts = dict(COMMON_TREES)
    texts |= YAML_TREES if name.endswith(".yaml") else JSON_TREES
    for label, change in texts.items():
        yield Mutation(f"{name}: {label}", _text(name, change), refused=True)
    yield Mutation(f"{name}: a further key", _tree(name, _further), any_content)


def _further(values: Any) -> Any:
    return {**values, "further": 1}


def _first_line_twice(text: str) -> str:
    """Return YAML in which the first top-level scalar key comes twice, with other values."""
    return text + "seed: 77\nwords: [other]\n"


COMMON_TREES: dict[str, Callable[[str], str]] = {
    "deep lists": lambda text: "[" * DEEP,
    "deep closed lists": lambda text: "[" * 2000 + "]" * 2000,
    "a list": lambda text: "[1, 2]",
    "a number": lambda text: "1",
    "null": lambda text: "null",
    "a text": lambda text: '"text"',
    "a huge integer": lambda text: "9" * 10_000,
    "twice": lambda text: text + "\n" + text,
}
JSON_TREES: dict[str, Callable[[str], str]] = {
    "deep tables": lambda text: '{"a":' * DEEP,
    "a key twice": lambda text: "{" + text.strip()[1:-1] + "," + text.strip()[1:-1] + "}",
    "a lone surrogate as a key": lambda text: text.rstrip()[:-1] + ', "\\ud800": 1}',
    "an infinite number": lambda text: text.rstrip()[:-1] + ', "further": 1e999}',
    "the word Infinity": lambda text: text.rstrip()[:-1] + ', "further": Infinity}',
    "a deep key": lambda text: text.rstrip()[:-1] + ', "further": ' + "[" * 900 + "]" * 900 + "}",
    "a byte-order mark": lambda text: "\ufeff" + text,
    "too large": lambda text: text.rstrip()[:-1] + ', "further": "' + "x" * (70 << 20) + '"}',
}
YAML_TREES: dict[str, Callable[[str], str]] = {
    "deep tables": lambda text: "{a: " * 10_000,
    "a key twice": _first_line_twice,
    "two documents": lambda text: text + "---\n" + text,
    "a Python object": lambda text: text + "further: !!python/object/apply:os.getcwd []\n",
    "a Python name": lambda text: text + "further: !!python/name:os.system\n",
    "a tag": lambda text: text + "further: !mine 1\n",
    "a set": lambda text: text + "further: !!set {a, b}\n",
    "bytes": lambda text: text + "further: !!binary aGk=\n",
    "a date": lambda text: text + "further: 2020-01-01\n",
    "an alias": lambda text: text + "further: &a [1]\nmore: *a\n",
    "a merge": lambda text: text + "further: &a {b: 1}\nmore:\n  <<: *a\n",
    "a billion laughs": lambda text: text + _laughs(),
    "an alias of itself": lambda text: text + "further: &a [*a]\n",
    "a tab": lambda text: text + "further:\n\t- 1\n",
    "a list as a key": lambda text: text + "? [1, 2]\n: 3\n",
    "a number as a key": lambda text: text + "1: 3\n",
    "null as a key": lambda text: text + "null: 3\n",
    "an escape code": lambda text: text + "further: \x1b[31m\n",
    "too large": lambda text: text + "further: " + "x" * (70 << 20) + "\n",
}


def _laughs() -> str:
    lines = ["l0: &l0 [ha, ha]"]
    for level in range(1, 40):
        lines.append(f"l{level}: &l{level} [*l{level - 1}, *l{level - 1}]")
    return "\n".join(lines) + "\n"
