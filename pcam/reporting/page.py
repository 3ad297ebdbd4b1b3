"""The parts of a page: text, tables, pictures, links and commands, in sections."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Text:
    """A paragraph.

    Attributes:
        content: plain text.
        kind: "" for normal text, "soft" for remarks, "notice" for what must not be missed.
    """

    content: str
    kind: str = ""


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        head: titles of the columns.
        rows: cells.
        name: of its csv file, without ending; "" for none.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    name: str = ""


@dataclass(frozen=True)
class Picture:
    """A PNG.

    Attributes:
        name: of its file.
        content: the file.
        caption: what it shows.
    """

    name: str
    content: bytes
    caption: str

    @property
    def width(self) -> int:
        """Pixels, from the PNG's header."""
        return int.from_bytes(self.content[16:20])


@dataclass(frozen=True)
class Link:
    """A paragraph that leads to another page.

    Attributes:
        content: plain text.
        target: name of a file beside the page.
    """

    content: str
    target: str


@dataclass(frozen=True)
class Code:
    """Lines to type: commands, or a program.

    Attributes:
        lines: one after the other.
        language: that Markdown names.
    """

    lines: Sequence[str]
    language: str = "sh"


@dataclass(frozen=True)
class Fold:
    """Parts that are hidden until its title is clicked."""

    title: str
    parts: Sequence["Part"]


Part = Text | Table | Picture | Link | Code | Fold


@dataclass(frozen=True)
class Section:
    """Parts under a title; a section without parts is not shown."""

    title: str
    parts: Sequence[Part] = field(default_factory=tuple)

    @property
    def anchor(self) -> str:
        """Target of links to the section."""
        return "".join(c if c.isalnum() else "-" for c in self.title.lower())


def drop_empty_columns(table: Table, keep: int = 1) -> Table:
    """Return a table without columns that have no text in any row.

    Args:
        table: the whole table.
        keep: first columns that stay in any case.
    """
    columns = []
    for number in range(len(table.head)):
        texts = [row[number] for row in table.rows]
        if number < keep or any(texts):
            columns.append(number)
    return select_columns(table, columns)


def select_columns(table: Table, columns: Sequence[int]) -> Table:
    """Return a table with some of its columns.

    Args:
        table: the whole table.
        columns: their numbers, from 0, in the order to show.
    """
    head = [table.head[number] for number in columns]
    rows = []
    for row in table.rows:
        rows.append([row[number] for number in columns])
    return Table(head, rows, table.name)


def unfold(parts: Sequence[Part]) -> Iterator[Part]:
    """Yield the parts, those of folds in place of the folds.

    Args:
        parts: in the order of the page.

    Yields:
        Parts that are not folds.
    """
    for part in parts:
        if isinstance(part, Fold):
            yield from unfold(part.parts)
        else:
            yield part
