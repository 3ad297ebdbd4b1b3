"""A page as Markdown."""

import re
from collections.abc import Sequence

from pcam.reporting.page import Code, Fold, Part, Picture, Section, Table, Text
from pcam.stats.formatting import format_table

ENTITY = re.compile(r"&(?=#?\w+;)")
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
    """Return one part as Markdown."""
    match part:
        case Text():
            text = escape(part.content)
            return f"**{text}**" if part.kind == "notice" else text
        case Table():
            head = [escape(cell) for cell in part.head]
            return format_table(head, [[escape(cell) for cell in row] for row in part.rows])
        case Picture():
            return f"![{part.caption}](figures/{part.name})"
        case Code():
            return "\n".join(["```sh", *part.lines, "```"])
        case Fold():
            return "\n\n".join([f"*{escape(part.title)}*", *map(render_part, part.parts)])


def escape(text: str) -> str:
    """Return text that Markdown shows unchanged, whatever it contains."""
    text = ENTITY.sub("&amp;", text)
    text = TAG.sub("&lt;", text)
    return text.replace("|", "\\|")
