"""A page as Markdown."""

import re
from collections.abc import Sequence

from pcam.errors import printable
from pcam.reporting.page import Code, Fold, Link, Part, Picture, Section, Table, Text
from pcam.stats.formatting import format_table

ENTITY = re.compile(r"&(?=#?\w+;)")
# Backticks, images and links, and what begins a block of another kind
MARKS = re.compile(r"`|!(?=\[)|\[(?=[^\]]*\]\()|^(?:~~~|#|>)")
BACKTICKS = re.compile("`+")
TAG = re.compile(r"<(?=[a-zA-Z/!?])")


def render_markdown(title: str, lead: Sequence[Part], sections: Sequence[Section]) -> str:
    """Return a page as Markdown; its pictures are files in figures/.

    Args:
        title: heading of the page.
        lead: parts before the first section.
        sections: in their order.
    """
    parts = [f"# {escape(title)}", *map(render_part, lead)]
    for section in sections:
        parts.append(f"## {escape(section.title)}")
        parts += map(render_part, section.parts)
    return "\n\n".join(parts) + "\n"


def render_part(part: Part) -> str:
    """Return one part as Markdown.

    Args:
        part: of a page; a fold's parts follow its title.

    Returns:
        Text without a line break at its end.
    """
    match part:
        case Text():
            text = escape(part.content)
            return f"**{text}**" if part.kind == "notice" else text
        case Table():
            return format_table(_escape_row(part.head), [_escape_row(row) for row in part.rows])
        case Picture():
            return f"![{_escape_caption(part.caption)}](figures/{part.name})"
        case Link():
            return f"[{_escape_caption(part.content)}]({part.target})"
        case Code():
            lines = list(map(printable, part.lines))
            fence = _fence(lines)
            return "\n".join([f"{fence}{part.language}", *lines, fence])
        case Fold():
            return "\n\n".join([f"*{escape(part.title)}*", *map(render_part, part.parts)])


def _escape_row(cells: Sequence[str]) -> list[str]:
    return [escape(cell) for cell in cells]


def escape(text: str) -> str:
    """Return text that Markdown shows unchanged, whatever it contains."""
    text = ENTITY.sub("&amp;", printable(text))
    text = TAG.sub("&lt;", text)
    text = MARKS.sub(r"\\\g<0>", text)
    return text.replace("|", "\\|")


def _escape_caption(text: str) -> str:
    return escape(text).replace("[", "\\[").replace("]", "\\]")


def _fence(lines: Sequence[str]) -> str:
    """Return a fence that is longer than any in the lines."""
    runs = [len(run) for line in lines for run in BACKTICKS.findall(line)]
    return "`" * max(3, max(runs, default=0) + 1)
