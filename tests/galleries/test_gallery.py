"""Galleries as a user gets them: by ``pcam.evaluate`` and ``pcam.report``."""

import csv
import io
import json
import re
import shutil
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image

from pcam.attribution.overlay import draw_overlay
from pcam.data.base import Pixels
from pcam.data.crop import Crop
from pcam.data.sources.synthetic.source import SyntheticSource
from pcam.errors import ConfigError
from pcam.evaluation.saved_run import SavedRun
from pcam.galleries import output
from pcam.galleries.gallery import Gallery, GallerySubject, ShownPatch, build_gallery
from pcam.galleries.groups import Group, ScoredPatches
from pcam.galleries.output import delete_gallery, write_gallery
from pcam.galleries.pictures import Map, draw_panels
from tests.conftest import Terminal

EVALUATE = ["resamples=100", "hydra.run.dir=out"]


class Page(HTMLParser):
    """What a browser loads and shows."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.pictures: list[dict[str, str | None]] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.source = path.read_text()
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "img":
            self.pictures.append(dict(attrs))
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.text += data


def read_scores(path: Path) -> list[tuple[str, int, float]]:
    """Return id, label and log-odds of a csv."""
    with path.open() as file:
        return [(row["id"], int(row["label"]), float(row["logit"])) for row in csv.DictReader(file)]


def expected_order(scores: list[tuple[str, int, float]], count: int) -> list[str]:
    """Return the ids of a page up to the patches nearest to the threshold, 0.5."""
    names: list[str] = []
    for label, sign in ((1, 1), (0, -1), (1, -1), (0, 1)):  # right twice, then wrong
        rows = [row for row in scores if row[1] == label and (row[2] >= 0) == (sign > 0)]
        rows.sort(key=lambda row: -sign * row[2])
        names += [row[0] for row in rows[:count]]
    nearest = sorted(scores, key=lambda row: abs(row[2]))
    return names + [row[0] for row in nearest[:count]]


def test_an_evaluation_has_a_gallery(run: Path, terminal: Terminal, tmp_path: Path) -> None:
    answer = terminal("evaluate", f"run={run}", "gallery=2", *EVALUATE)
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.splitlines()[-2:] == [
        str(tmp_path / "out" / "gallery.html"),
        str(tmp_path / "out"),
    ]
    page = Page(tmp_path / "out" / "gallery.html")
    assert all(picture["loading"] == "lazy" for picture in page.pictures)
    addresses = {picture["src"] for picture in page.pictures}
    assert all(re.fullmatch(r"gallery/patch-\d{6}\.jpg", str(one)) for one in addresses)
    files = {f"gallery/{path.name}" for path in (tmp_path / "out" / "gallery").iterdir()}
    assert files == addresses
    assert "script" not in page.tags
    assert "http" not in page.source
    for text in ("Grad-CAM", "integrated gradients", "By slide", "By stain", "threshold 0.5"):
        assert text in page.text
    assert "log-odds are divided" not in page.text
    scores = read_scores(tmp_path / "out" / "predictions" / "test.csv")
    expected = expected_order(scores, 2)
    shown = [str(picture["alt"]).partition(":")[0] for picture in page.pictures]
    assert shown[: len(expected)] == expected
    name, _, logit = next(row for row in scores if row[0] == shown[0])
    probability = 1 / (1 + np.exp(-logit))
    assert f"probability of tumour {probability:.4f} (log-odds {logit:+.2f})" in page.text
    assert name in page.text
    size = Image.open(tmp_path / "out" / str(page.pictures[0]["src"])).size
    assert size == (3 * 192 + 2 * 8, 192)
    assert (page.pictures[0]["width"], page.pictures[0]["height"]) == ("592", "192")


@pytest.mark.slow
def test_no_gallery_leaves_none_of_an_earlier_one(
    run: Path, terminal: Terminal, tmp_path: Path
) -> None:
    folder = tmp_path / "out" / "gallery"
    folder.mkdir(parents=True)
    for name in ("patch-000001.jpg", "patch-000002.jpg"):
        (folder / name).touch()
    page = tmp_path / "out" / "gallery.html"
    page.write_text(f'<meta name="generator" {output.MARK}><img src="gallery/patch-000001.jpg">')
    answer = terminal("evaluate", f"run={run}", "gallery=0", *EVALUATE)
    assert answer.status == 0
    assert "gallery.html" not in answer.out
    assert [path.name for path in folder.iterdir()] == ["patch-000002.jpg"]  # of somebody else
    assert not page.exists()


def test_a_gallery_s_folder_goes_with_its_pictures(tmp_path: Path) -> None:
    picture = tmp_path / "gallery" / "patch-000001.jpg"
    picture.parent.mkdir()
    picture.touch()
    page = tmp_path / "gallery.html"
    page.write_text('<img src="gallery/patch-000001.jpg">')  # somebody else's
    delete_gallery(tmp_path)
    assert picture.is_file()
    assert page.is_file()
    page.write_text(f'<meta name="generator" {output.MARK}>{page.read_text()}')
    delete_gallery(tmp_path)
    assert not any(tmp_path.iterdir())


def test_a_gallery_that_was_interrupted_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = output.write_file

    def interrupted(path: Path, content: str | bytes) -> None:
        if path.suffix == ".jpg" and any((tmp_path / "gallery").glob("*.jpg")):
            raise KeyboardInterrupt
        write(path, content)

    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "JPEG")
    patch = ShownPatch("a", "no", "yes", False, 0.5, 0.0, None, buffer.getvalue())
    subject = GallerySubject("title", [], ("no", "yes"), False)
    group = Group("name", "title", "why", np.array([3, 4]))
    gallery = Gallery(subject, [group], {3: patch, 4: patch}, ("patch",), [])
    monkeypatch.setattr(output, "write_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_gallery(gallery, tmp_path)
    assert len(list((tmp_path / "gallery").iterdir())) == 1
    delete_gallery(tmp_path)
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
def test_a_method_that_does_not_apply_is_said(
    run: Path, terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: object) -> None:
        raise ConfigError(f"{arguments[2]} does not apply to it: no layer")

    monkeypatch.setattr("pcam.galleries.gallery.explain", refused)
    assert terminal("evaluate", f"run={run}", "gallery=1", *EVALUATE).status == 0
    page = Page(tmp_path / "out" / "gallery.html")
    assert "gradcam does not apply to it: no layer." in page.text
    with Image.open(tmp_path / "out" / str(page.pictures[0]["src"])) as picture:
        assert picture.size == (192, 192)


def test_names_are_text_and_stay_out_of_paths(tmp_path: Path) -> None:
    name = '../../"><script>x</script>'
    picture = draw_panels(np.zeros((8, 8, 3), np.uint8), [], None)
    patch = ShownPatch(name, "<i>", "b", False, 0.5, 0.0, name, picture)
    subject = GallerySubject(name, [("run", name)], ("<i>", "b"), False)
    group = Group(name, name, name, np.array([3]))
    page = write_gallery(Gallery(subject, [group], {3: patch}, ("patch",), [name]), tmp_path / "a")
    assert "script" not in Page(page).tags
    assert Page(page).text.count(name) >= 6
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(files) == [tmp_path / "a" / "gallery" / "patch-000003.jpg", page]


def test_maps_are_beside_the_patch_with_the_centre_outlined() -> None:
    patch = np.full((96, 96, 3), 200, np.uint8)
    values = np.zeros((96, 96), np.float32)
    with Image.open(io.BytesIO(draw_panels(patch, [values], 32))) as image:
        pixels = np.asarray(image).astype(int)
    assert pixels.shape == (192, 192 + 8 + 192, 3)
    for left in (0, 200):
        line = pixels[95, left : left + 192].mean(1)
        assert np.flatnonzero(line < 100).tolist() == [63, 128]  # around 64 to 127
    assert pixels[:, 194:198].min() > 240


def test_red_is_above_zero_and_blue_below() -> None:
    patch = np.full((10, 10, 3), 100, np.uint8)
    values = np.zeros((10, 10), np.float32)
    values[0, 0], values[9, 9] = 2, -2
    drawn = draw_overlay(patch, values).astype(int)
    assert drawn[0, 0, 0] > drawn[0, 0, 2] + 50
    assert drawn[9, 9, 2] > drawn[9, 9, 0] + 50
    assert len(np.unique(drawn[5, 5])) == 1  # grey


@pytest.mark.slow
def test_a_report_leads_to_the_galleries_of_the_best_runs(
    run: Path, terminal: Terminal, tmp_path: Path
) -> None:
    words = [f"runs={run}", "resamples=100", "hydra.run.dir=out"]
    answer = terminal("report", *words, "gallery=1")
    assert answer.status == 0, answer.err
    report = Page(tmp_path / "out" / "report.html")
    assert "gallery-1.html" in report.links
    assert "(gallery-1.html)" in (tmp_path / "out" / "report.md").read_text()
    assert "gallery=1" in report.text
    page = Page(tmp_path / "out" / "gallery-1.html")
    for picture in page.pictures:
        assert (tmp_path / "out" / str(picture["src"])).is_file()
    scores = read_scores(run / "predictions" / "test.csv")
    nearest = min(scores, key=lambda row: abs(row[2]))
    assert nearest[0] in page.text
    assert terminal("report", *words).status == 0
    assert not (tmp_path / "out" / "gallery-1.html").exists()
    assert "Galleries" not in Page(tmp_path / "out" / "report.html").text


def test_a_report_says_which_run_has_no_gallery(
    run: Path, terminal: Terminal, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    shutil.rmtree(copy / "checkpoints")
    answer = terminal("report", f"runs={copy}", "gallery=1", "resamples=100", "hydra.run.dir=out")
    assert answer.status == 0, answer.err
    report = Page(tmp_path / "out" / "report.html")
    assert "no gallery, because" in report.text
    assert not (tmp_path / "out" / "gallery-1.html").exists()


@pytest.mark.parametrize(
    ("crop", "outlined"),
    [
        (Crop("none"), True),
        (Crop("center", 64), True),
        (Crop("ring", 32), True),
        (Crop("center", 32), False),
        (Crop("random", 64), False),
    ],
)
def test_the_centre_is_outlined_only_where_it_is_seen_in_its_place(
    crop: Crop, outlined: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explained(run: object, seen: Pixels) -> tuple[dict[str, Sequence[Map]], list[str]]:
        return {}, []

    monkeypatch.setattr("pcam.galleries.gallery.explain_patches", explained)
    source = SyntheticSource("test", 4)
    white = np.full((4, 96, 96, 3), 255, np.uint8)
    monkeypatch.setattr(source, "read", lambda indices: white[: len(indices)])
    assert source.labels is not None
    scored = ScoredPatches(source.ids, source.labels, np.arange(4) - 1.5, 0.0)
    subject = GallerySubject("title", [], ("a", "b"), centre_labelled=True)
    gallery = build_gallery(cast(SavedRun, None), source, crop, scored, subject, 1)
    page = Page(write_gallery(gallery, tmp_path))
    assert ("centre that alone decides the label" in page.text) == outlined
    with Image.open(tmp_path / str(page.pictures[0]["src"])) as picture:
        darkest = np.asarray(picture.convert("L")).min()
    assert (darkest < 100) == outlined


@pytest.mark.slow
def test_a_page_says_by_what_log_odds_are_divided(
    run: Path, terminal: Terminal, tmp_path: Path
) -> None:
    words = ["calibration=temperature", "threshold=0.9", "gallery=1", *EVALUATE]
    assert terminal("evaluate", f"run={run}", *words).status == 0
    page = Page(tmp_path / "out" / "gallery.html")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert f"log-odds are divided by {summary['temperature']:.3f}" in page.text
    assert "maps are of the uncalibrated log-odds" in page.text
    assert "log-odds nearest to the threshold" in page.text
    assert "certain of these" not in page.text
