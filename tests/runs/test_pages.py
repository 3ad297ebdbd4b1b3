import base64

import pytest
from jinja2 import UndefinedError

from pcam.runs.pages import data_uri, page_environment, text_columns

PAGE = """{% extends "base.html.j2" %}
{% from "macros.html.j2" import table %}
{% block body %}{{ table(head, rows) }}{% endblock %}"""


def test_a_page_is_one_file_that_escapes_every_value() -> None:
    page = page_environment().from_string(PAGE)
    html = page.render(title="<script>", head=["split", "patches"], rows=[["a & b", "12"]])
    assert html.startswith("<!DOCTYPE html>")
    assert html.rstrip().endswith("</html>")
    assert "<title>&lt;script&gt;</title>" in html
    assert '<td class="text">a &amp; b</td><td>12</td>' in html
    assert "http" not in html


def test_an_undefined_value_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="title"):
        page_environment().from_string(PAGE).render(head=[], rows=[])


def test_columns_with_a_number_are_not_text() -> None:
    assert text_columns([["a", "-1.5", ""], ["b", "unknown", "c"]], 3) == [True, False, True]


def test_a_picture_is_an_address() -> None:
    address = data_uri(b"bytes", "png")
    assert address.startswith("data:image/png;base64,")
    assert base64.b64decode(address.split(",")[1]) == b"bytes"
