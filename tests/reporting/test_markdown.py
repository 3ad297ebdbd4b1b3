"""The Markdown page."""

from pcam.reporting.markdown import render_markdown
from pcam.reporting.page import Code, Fold, Picture, Section, Table, Text


def test_every_part_is_shown_and_escaped() -> None:
    parts = [
        Text("a <b> &amp; | c < d"),
        Text("not to be missed", "notice"),
        Table(["", "value"], [["a|b", "0.5"]]),
        Code(["first", "second"]),
        Fold("more", [Picture("small.png", b"", "a caption")]),
    ]
    text = render_markdown("Title", [Text("lead", "soft")], [Section("One", parts)])
    assert text.splitlines() == [
        "# Title",
        "",
        "lead",
        "",
        "## One",
        "",
        r"a &lt;b> &amp;amp; \| c < d",
        "",
        "**not to be missed**",
        "",
        "|      | value |",
        "|------|-------|",
        r"| a\|b | 0.5   |",
        "",
        "```sh",
        "first",
        "second",
        "```",
        "",
        "*more*",
        "",
        "![a caption](figures/small.png)",
    ]
