"""A page as one HTML file with its pictures inside, without scripts and without network."""

from collections.abc import Sequence

from pcam.reporting.page import Code, Fold, Link, Part, Picture, Section, Table, Text
from pcam.runs.pages import page_environment

WIDE = 720  # pixels; wider pictures are unreadable at a telephone's width, so they scroll there
KINDS: dict[type[Part], str] = {
    Text: "text",
    Table: "table",
    Picture: "picture",
    Link: "link",
    Code: "code",
    Fold: "fold",
}


def render_html(title: str, lead: Sequence[Part], sections: Sequence[Section]) -> str:
    """Return a page as HTML.

    Args:
        title: heading of the page.
        lead: parts before the first section.
        sections: in their order.
    """
    environment = page_environment("pcam.reporting")
    environment.filters["kind"] = kind_of
    template = environment.get_template("report.html.j2")
    return template.render(title=title, lead=lead, sections=sections, wide=WIDE)


def kind_of(part: Part) -> str:
    """Return which part of the template shows a part."""
    return KINDS[type(part)]
