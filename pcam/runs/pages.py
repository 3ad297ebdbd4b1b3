"""HTML pages from Jinja2 templates: one file each, readable without scripts or network.

`templates/base.html.j2` has the page's frame and its style sheet, `templates/macros.html.j2` the
macro `table(head, rows)`. A template of another package begins with `{% extends "base.html.j2" %}`
and fills the blocks `style` and `body`:

    environment = page_environment("pcam.data.audit")
    html = environment.get_template("audit.html.j2").render(title=..., ...)
"""

import base64
import re
from collections.abc import Sequence

from jinja2 import BaseLoader, ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pcam.errors import printable_lines

NUMBER = re.compile(r"[-+]?\d")


def page_environment(package: str | None = None) -> Environment:
    """Return an environment that escapes every value and fails on undefined ones.

    Args:
        package: A package whose folder `templates` is searched before that of the base template.
    """
    loaders: list[BaseLoader] = [PackageLoader("pcam.runs")]
    if package is not None:
        loaders.insert(0, PackageLoader(package))
    environment = Environment(
        loader=ChoiceLoader(loaders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_without_controls,
    )
    environment.filters["data_uri"] = data_uri
    environment.globals["text_columns"] = text_columns
    return environment


def _without_controls(value: object) -> object:
    """Return a value of a template with control characters of its text escaped."""
    is_text = isinstance(value, str) and not isinstance(value, Markup)
    return printable_lines(value) if is_text else value  # type: ignore[arg-type]


def data_uri(content: bytes, kind: str) -> str:
    """Return a picture as an address that contains it.

    Args:
        content: The picture's file.
        kind: Its format, "png" or "jpeg".
    """
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def text_columns(rows: Sequence[Sequence[str]], count: int) -> list[bool]:
    """Return for each column of a table whether it holds text, which is aligned to the left.

    A column with a cell that starts as a number is a column of numbers.

    Args:
        rows: Cells.
        count: Number of columns.
    """
    is_text = []
    for index in range(count):
        column = [row[index] for row in rows]
        has_numbers = any(map(NUMBER.match, column))
        is_text.append(not has_numbers)
    return is_text
