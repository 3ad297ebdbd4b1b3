"""The HTML page."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pcam.reporting.html import render_html
from pcam.reporting.page import Code, Fold, Picture, Section, Table, Text
from pcam.runs.figures import canvas, png
from tests.reporting.fakes import make_report


class Page(HTMLParser):
    """The addresses that a browser would ask for, and the elements that are open."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.usefixtures("real_figures")
def test_the_page_needs_no_other_file(sweep: Path, tmp_path: Path) -> None:
    markdown = make_report(tmp_path / "out", sweep)
    text = (tmp_path / "out" / "report.html").read_text()
    page = Page()
    page.feed(text)
    assert page.open == []
    links = {address[1:] for address in page.addresses if address.startswith("#")}
    assert links == set(re.findall(r'<h2 id="([^"]+)"', text))
    pictures = [address for address in page.addresses if not address.startswith("#")]
    assert len(pictures) == 2  # training; ROC and calibration
    assert all(address.startswith("data:image/png;base64,") for address in pictures)
    assert text.count('<div class="scroll"><img class="picture wide"') == 2
    assert "http" not in text
    assert "<script" not in text
    for name in re.findall(r"\(figures/([^)]+)\)", markdown):
        assert (tmp_path / "out" / "figures" / name).is_file()


def test_every_part_is_shown_and_escaped() -> None:
    picture = Picture("small.png", png(canvas(1, 1, 50)), 'a "caption"')
    parts = [
        Text("a < b"),
        Text("not to be missed", "notice"),
        Table(["", "value"], [["<b>", "0.5"]]),
        Code(["first", "second & third"]),
        Fold("more", [Text("inside", "soft"), picture]),
    ]
    text = render_html("A & B", [Text("lead")], [Section("One <section>", parts)])
    page = Page()
    page.feed(text)
    assert page.open == []
    for expected in (
        "<h1>A &amp; B</h1>",
        '<h2 id="one--section-">One &lt;section&gt;</h2>',
        "<p>a &lt; b</p>",
        '<p class="notice">not to be missed</p>',
        "&lt;b&gt;",
        "<pre>first\nsecond &amp; third</pre>",
        "<summary>more</summary>",
        '<p class="soft">inside</p>',
        'alt="a &#34;caption&#34;"',
    ):
        assert expected in text
    assert '<div class="scroll"><img' not in text  # narrow pictures do not scroll
