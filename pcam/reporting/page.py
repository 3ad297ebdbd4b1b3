"""A page for a person: one HTML file that holds its pictures and needs no script and no network; and the same as Markdown."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from pcam.stats.formatting import format_table

WIDE = 720  # pixels; a picture that is wider cannot be read at a telephone's width, and is scrolled there
STYLE = """
:root { color-scheme: light dark; --page: #fff; --ink: #1c2127; --soft: #5b6470; --line: #d9dde3; --shade: #f4f6f8; }
@media (prefers-color-scheme: dark) {
  :root { --page: #14171b; --ink: #e4e7eb; --soft: #a3acb8; --line: #353c45; --shade: #1e2329; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1180px; padding: 28px 20px 60px; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 24px; line-height: 1.25; margin: 0 0 4px; }
h2 { font-size: 18px; margin: 36px 0 10px; }
h3 { font-size: 15px; margin: 0; }
p { margin: 2px 0 0; }
a { color: inherit; }
.soft { color: var(--soft); }
.scroll { overflow-x: auto; margin: 8px 0; }
table { border-collapse: collapse; overflow-wrap: normal; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 12px 5px 0; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { font-weight: 600; color: var(--soft); vertical-align: bottom; white-space: normal; }
.words { text-align: left; white-space: normal; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: var(--page); white-space: normal;
  min-width: 7.5em; max-width: 22em; }
ul { list-style: none; margin: 0; padding: 0; }
nav { margin: 14px 0 0; display: flex; flex-wrap: wrap; gap: 2px 16px; }
pre { margin: 8px 0; padding: 8px 12px; background: var(--shade); border-radius: 6px; white-space: pre-wrap; font-size: 13px; }
details { margin: 10px 0; } summary { cursor: pointer; }
.picture { display: block; max-width: 100%; height: auto; background: #fff; border-radius: 4px; margin: 8px 0; }
.notice { padding: 8px 14px; margin: 14px 0 0; border-left: 4px solid #E69F00; background: var(--shade); }
@media screen and (max-width: 560px) { body { padding: 18px 12px 40px; } .scroll > .wide { min-width: 720px; } }
@media print { :root { --page: #fff; --ink: #000; --soft: #444; --line: #bbb; --shade: #f4f4f4; }
  body { max-width: none; padding: 0; font-size: 11px; } nav { display: none; } .scroll { overflow: visible; }
  table { font-size: 9px; } th, td { padding-right: 8px; } th:first-child, td:first-child { position: static; }
  .picture, tr { break-inside: avoid; } h2 { break-after: avoid; } }
"""


@dataclass(frozen=True)
class Text:
    """A paragraph; soft is said in passing, a notice is not to be missed."""

    words: str
    kind: str = ""


@dataclass(frozen=True)
class Table:
    """A table of text; ``name`` is that of its csv, where it has one."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    name: str = ""


@dataclass(frozen=True)
class Picture:
    """A PNG; ``name`` is its file's."""

    name: str
    content: bytes
    told: str


@dataclass(frozen=True)
class Code:
    """Commands to type."""

    lines: Sequence[str]


@dataclass(frozen=True)
class Fold:
    """Parts that are opened by a click."""

    title: str
    parts: Sequence["Part"]


Part = Text | Table | Picture | Code | Fold


@dataclass(frozen=True)
class Section:
    """Parts under a title."""

    title: str
    parts: Sequence[Part] = field(default_factory=tuple)

    @property
    def anchor(self) -> str:
        """What links point to."""
        return "".join(c if c.isalnum() else "-" for c in self.title.lower())


def shell(title: str, body: str, style: str = "") -> str:
    """Return a whole HTML file; ``style`` is added to the house's."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def html(title: str, lead: Sequence[Part], sections: Sequence[Section]) -> str:
    """Return sections as one HTML file."""
    links = "".join(
        f'<a href="#{section.anchor}">{escape(section.title)}</a>' for section in sections
    )
    parts = [f"<h1>{escape(title)}</h1>", *map(_html, lead), f"<nav>{links}</nav>"]
    for section in sections:
        parts += [
            f'<h2 id="{section.anchor}">{escape(section.title)}</h2>',
            *map(_html, section.parts),
        ]
    return shell(title, "\n".join(parts))


def _html(part: Part) -> str:
    match part:
        case Text(words, kind):
            return f'<p class="{kind}">{escape(words)}</p>' if kind else f"<p>{escape(words)}</p>"
        case Table(head, rows):
            return f'<div class="scroll">{table(head, rows)}</div>'
        case Picture(_, content, told):
            wide = int.from_bytes(content[16:20]) > WIDE  # a PNG's width stands there
            image = f'<img class="picture{" wide" * wide}" alt="{escape(told, quote=True)}" src="{uri(content, "png")}">'
            return f'<div class="scroll">{image}</div>' if wide else image
        case Code(lines):
            return f"<pre>{escape(chr(10).join(lines))}</pre>"
        case Fold(title, parts):
            return (
                f"<details><summary>{escape(title)}</summary>{''.join(map(_html, parts))}</details>"
            )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return an HTML table; a column of words lies to the left, one of figures to the right."""
    words = [not any(re.match(r"[-+]?\d", row[i]) for row in rows) for i in range(len(head))]

    def line(kind: str, cells: Sequence[str]) -> str:
        known = (f"<{kind} class=words>" if left else f"<{kind}>" for left in words)
        return "".join(
            f"{begin}{escape(cell)}</{kind}>" for begin, cell in zip(known, cells, strict=True)
        )

    body = "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{line('th', head)}</tr></thead><tbody>{body}</tbody></table>"


def uri(content: bytes, kind: str) -> str:
    """Return a picture as an address that holds it."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def markdown(title: str, lead: Sequence[Part], sections: Sequence[Section]) -> str:
    """Return sections as Markdown; pictures are files in figures/."""
    parts = [f"# {_plain(title)}", *map(_markdown, lead)]
    for section in sections:
        parts += [f"## {_plain(section.title)}", *map(_markdown, section.parts)]
    return "\n\n".join(parts) + "\n"


def _markdown(part: Part) -> str:
    match part:
        case Text(words, kind):
            return f"**{_plain(words)}**" if kind == "notice" else _plain(words)
        case Table(head, rows):
            return format_table(
                list(map(_plain, head)), [[_plain(cell) for cell in row] for row in rows]
            )
        case Picture(name, _, told):
            return f"![{told}](figures/{name})"
        case Code(lines):
            return "\n".join(["```sh", *lines, "```"])
        case Fold(title, parts):
            return "\n\n".join([f"*{_plain(title)}*", *map(_markdown, parts)])


def _plain(text: str) -> str:
    """Return text that Markdown shows as it stands, whatever a file held."""
    return re.sub(r"<(?=[a-zA-Z/!?])", "&lt;", re.sub(r"&(?=#?\w+;)", "&amp;", text)).replace(
        "|", "\\|"
    )


def narrowed(table: Table, keep: int = 1) -> Table:
    """Return a table without its empty columns; the first ``keep`` stay."""
    some = [i for i in range(len(table.head)) if i < keep or any(row[i] for row in table.rows)]
    return Table(
        [table.head[i] for i in some], [[row[i] for i in some] for row in table.rows], table.name
    )


def pictures(parts: Sequence[Part]) -> list[Picture]:
    """Return the pictures among parts, those of folds too."""
    found: list[Picture] = []
    for part in parts:
        found += (
            [part]
            if isinstance(part, Picture)
            else pictures(part.parts)
            if isinstance(part, Fold)
            else []
        )
    return found


def tables(parts: Sequence[Part]) -> list[Table]:
    """Return the tables among parts that have a csv, those of folds too."""
    found: list[Table] = []
    for part in parts:
        if isinstance(part, Table) and part.name:
            found.append(part)
        elif isinstance(part, Fold):
            found += tables(part.parts)
    return found
