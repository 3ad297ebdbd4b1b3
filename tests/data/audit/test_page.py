import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from pcam.data.audit.page import render_page
from pcam.data.audit.run import audit
from tests.data.audit.leaky import leaky_splits
from tests.data.audit.planted import Patches


class Tags(HTMLParser):
    VOID = ("meta", "img", "br")

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(html: str) -> Tags:
    tags = Tags()
    tags.feed(html)
    assert tags.open == []
    return tags


def test_the_page_has_every_check_with_pictures() -> None:
    sources = leaky_splits()
    report = audit(sources)
    html = render_page(report, sources)
    for check in report.checks:
        section = html[html.index(f'id="{check.name}"') :].split("</section>")[0]
        assert f'badge {check.verdict}"' in section
        assert check.line.split(":")[0].replace("'", "&#39;") in section
    copies = html[html.index('id="equal_within"') :].split("</section>")[0]
    assert re.findall(r"<figcaption>(train \d+)<", copies) == [
        "train 3",
        "train 21",
        "train 23",
        "train 25",
    ]
    assert "and 3 more" in copies
    leaked = html[html.index('id="slides"') :].split("</section>")[0]
    assert {"<figcaption>train", "<figcaption>valid"} == set(re.findall(r"<figcaption>\w+", leaked))
    dark = html[html.index('id="dark"') :].split("</section>")[0]
    assert dark.count("<figure>") == 12
    assert "and 13 more" in dark
    order = [html.index(f"badge {verdict}") for verdict in ("fail", "warn", "pass", "unknown")]
    assert order == sorted(order)


def test_the_page_is_one_small_file_with_its_pictures() -> None:
    sources = leaky_splits()
    html = render_page(audit(sources), sources)
    assert len(html) < 2_000_000
    tags = parsed(html)
    assert not re.search(r"https?://|<script|<link", html)
    pictures = [attrs["src"] for tag, attrs in tags.seen if tag == "img"]
    assert all(picture and picture.startswith("data:image/") for picture in pictures)
    first = next(
        attrs for tag, attrs in tags.seen if tag == "img" and attrs["alt"] == "train-000003"
    )
    content = base64.b64decode(str(first["src"]).split(",")[1])
    shown = np.asarray(Image.open(io.BytesIO(content)), float)
    assert np.abs(shown - sources["train"].pixels[3]).mean() < 6


@pytest.mark.parametrize("bad", ["<script>alert(1)</script>", '" onload="alert(1)', "a & b"])
def test_names_that_come_from_files_are_escaped(bad: str) -> None:
    sources = leaky_splits()
    for patches in sources.values():
        patches.ids = [f"{bad}{i}" for i in range(len(patches))]
        patches.groups = [bad] * len(patches)
    sources = {"train" + bad: sources["train"], "valid": sources["valid"]}
    tags = parsed(render_page(audit(sources), sources))
    assert not [tag for tag, attrs in tags.seen if tag == "script" or "onload" in attrs]
    assert f"{bad}3" in [attrs["alt"] for tag, attrs in tags.seen if tag == "img"]


def test_a_page_of_large_patches_without_labels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 300, 200, 3), np.uint8)
    pixels[4] = pixels[2]
    sources = {"predict": Patches(pixels)}
    html = render_page(audit(sources), sources)
    assert "200×300" in html
    assert ">unknown</td>" in html
    assert len(html) < 400_000
