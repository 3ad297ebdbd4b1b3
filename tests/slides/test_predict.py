"""``pcam.slide``: the same answers as on patches that are cut by hand, however they are read."""

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shapely import Point
from shapely.geometry import shape

from pcam.slides.source import SlideSource
from tests.conftest import Terminal
from tests.slides.writing import FILES, MPP, tissue, write_slide


def read_patches(folder: Path) -> dict[tuple[int, int], float]:
    """Return the probability of each patch by x and y."""
    with (folder / "patches.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {(int(row["x"]), int(row["y"])): float(row["probability"]) for row in rows}


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return tissue(1, 2)[:250, :350]


@pytest.fixture
def slide(tmp_path: Path, pixels: np.ndarray) -> Path:
    return write_slide(tmp_path / "slide.tif", pixels)


def test_answers_are_those_of_predict_on_the_same_patches(
    run: Path, slide: Path, pixels: np.ndarray, terminal: Terminal, tmp_path: Path
) -> None:
    words = [f"run={run}", f"slide={slide}", "stain=off"]
    answer = terminal("slide", *words, "hydra.run.dir=out")
    assert answer.status == 0, answer.err
    assert answer.out.endswith(f"\n{tmp_path / 'out'}\n")
    found = read_patches(tmp_path / "out")
    cut = tmp_path / "cut" / "test"
    cut.mkdir(parents=True)
    padded = np.pad(pixels, ((96, 96), (96, 96), (0, 0)), constant_values=255)
    for x, y in found:
        patch = padded[y + 96 : y + 192, x + 96 : x + 192]
        Image.fromarray(patch).save(cut / f"{x}_{y}.png")
    words = [f"run={run}", "data=folder", f"data.root={tmp_path / 'cut'}"]
    answer = terminal("predict", *words, "hydra.run.dir=predicted")
    assert answer.status == 0, answer.err
    with (tmp_path / "predicted" / "predictions" / "test.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found) > 30
    for row in rows:
        x, y = Path(row["id"]).stem.split("_")
        assert found[int(x), int(y)] == pytest.approx(float(row["probability"]), abs=1e-6)


@pytest.mark.parametrize(
    "words",
    [
        ["stride=16", "data.batch_size=7"],
        pytest.param(["stride=64"], marks=pytest.mark.slow),
        pytest.param(["data.num_workers=2"], marks=pytest.mark.slow),
    ],
)
def test_how_patches_are_read_does_not_change_their_answers(
    words: list[str], run: Path, slide: Path, terminal: Terminal, tmp_path: Path
) -> None:
    shared = [f"run={run}", f"slide={slide}", "stain=off"]
    assert terminal("slide", *shared, "hydra.run.dir=one").status == 0
    answer = terminal("slide", *shared, *words, "hydra.run.dir=other")
    assert answer.status == 0, answer.err
    one, other = read_patches(tmp_path / "one"), read_patches(tmp_path / "other")
    both = one.keys() & other.keys()
    assert len(both) == (0 if words == ["stride=64"] else len(one))
    for place in both:
        assert other[place] == pytest.approx(one[place], abs=1e-6)


def test_what_is_written(run: Path, slide: Path, terminal: Terminal, tmp_path: Path) -> None:
    answer = terminal(
        "slide", f"run={run}", f"slide={slide}", "stain=off", "threshold=0", "hydra.run.dir=out"
    )
    folder = tmp_path / "out"
    assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, "scores"])
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["slide"] == "slide.tif"
    assert summary["mpp"]["patches"] == pytest.approx(MPP, rel=1e-4)
    assert summary["patches"] == len(read_patches(folder))
    assert summary["called_share"] == 1
    assert summary["threshold"]["chosen"] == "threshold 0.0"
    assert "100.00 % of the tissue" in answer.out
    with Image.open(folder / "heatmap.png") as figure:
        assert min(figure.size) > 300
    # Started again with another threshold, it reads the scores.
    words = [f"run={run}", f"slide={slide}", "stain=off", "threshold=1", "hydra.run.dir=out"]
    answer = terminal("slide", *words)
    assert "patches are scored already" in answer.out
    assert json.loads((folder / "regions.geojson").read_text())["features"] == []


def scored_by_black(run: object, source: SlideSource, *rest: object) -> Iterator[np.ndarray]:
    """Stand for a network that finds black pixels in the centre of a patch."""
    patches = source.read(np.arange(len(source)))
    dark = (patches[:, 32:64, 32:64] < 60).all(-1).any((1, 2))
    yield np.where(dark, 9.0, -9.0)[None]


@pytest.mark.parametrize("mpp", [0.499, pytest.param(0.25, marks=pytest.mark.slow)])
def test_level_0_coordinates_are_right_to_one_square(
    mpp: float,
    run: Path,
    pixels: np.ndarray,
    terminal: Terminal,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scale = MPP / mpp
    size = (int(pixels.shape[1] * scale), int(pixels.shape[0] * scale))
    large = np.array(Image.fromarray(pixels).resize(size)).clip(100)
    crosses = [(0.3, 0.4), (0.62, 0.7)]
    places = [(int(x * size[0]), int(y * size[1])) for x, y in crosses]
    reach = int(4 * scale)
    for x, y in places:
        large[y - reach : y + reach, x - 1 - int(scale) : x + 1 + int(scale)] = 0
        large[y - 1 - int(scale) : y + 1 + int(scale), x - reach : x + reach] = 0
    path = write_slide(tmp_path / "crosses.tif", large, mpp)
    monkeypatch.setattr("pcam.slides.predict.iterate_source", scored_by_black)
    words = [f"run={run}", f"slide={path}", "tissue=all", "smoothing=0", "stain=off"]
    answer = terminal("slide", *words, "hydra.run.dir=out")
    assert answer.status == 0, answer.err
    features = json.loads((tmp_path / "out" / "regions.geojson").read_text())["features"]
    regions = [shape(feature["geometry"]) for feature in features]
    assert len(regions) == 2
    side = 32 * scale
    for x, y in places:
        (region,) = [one for one in regions if one.buffer(1e-6).intersects(Point(x, y))]
        assert region.area <= 4.1 * side**2  # the squares that the cross touches
    found = read_patches(tmp_path / "out")
    dark = [place for place, probability in found.items() if probability > 0.5]
    middle = 48 * scale
    for x, y in dark:
        distance = [max(abs(x + middle - a), abs(y + middle - b)) for a, b in places]
        assert min(distance) <= side / 2 + reach + 2 * scale


class Killed(BaseException):
    """Stands for a kill: no handler of the code may catch it."""


def test_a_stopped_command_goes_on_with_equal_files(
    run: Path, slide: Path, terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pcam.slides.predict.PART", 8)
    words = [f"run={run}", f"slide={slide}", "data.batch_size=4"]
    assert terminal("slide", *words, "hydra.run.dir=whole").status == 0
    read = SlideSource.read
    reads = iter(range(1000))

    def killed(source: SlideSource, indices: np.ndarray) -> np.ndarray:
        if next(reads) == 5:
            raise Killed
        return read(source, indices)

    with monkeypatch.context() as patch:
        patch.setattr(SlideSource, "read", killed)
        with pytest.raises(Killed):
            terminal("slide", *words, "hydra.run.dir=stopped")
    assert len(list((tmp_path / "stopped" / "scores").glob("*.npy"))) == 2
    answer = terminal("slide", *words, "hydra.run.dir=stopped")
    assert "16 of " in answer.out
    for name in FILES:
        whole = (tmp_path / "whole" / name).read_bytes()
        assert (tmp_path / "stopped" / name).read_bytes() == whole, name


def test_scores_of_another_slide_of_the_same_name_and_size_are_refused(
    run: Path, pixels: np.ndarray, terminal: Terminal, tmp_path: Path
) -> None:
    for number, name in enumerate(("a", "b")):
        (tmp_path / name).mkdir()
        path = write_slide(tmp_path / name / "slide.tif", np.roll(pixels, number, axis=1), MPP)
        os.truncate(path, 2_000_000)
    words = [f"run={run}", "tissue=all", "stain=off", "hydra.run.dir=out"]
    assert terminal("slide", *words, "slide=a/slide.tif").status == 0
    (fault,) = terminal("slide", *words, "slide=b/slide.tif").faults
    assert fault == (
        f"{tmp_path / 'out' / 'scores'} has scores of another content; set another"
        " hydra.run.dir, or remove it"
    )


def test_the_slide_and_its_annotation_are_not_replaced(
    run: Path, slide: Path, terminal: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    slide.rename(tmp_path / "out" / "probability.tif")
    words = [f"run={run}", "stain=off", "hydra.run.dir=out"]
    (fault,) = terminal("slide", *words, "slide=out/probability.tif").faults
    assert fault.startswith(f"{tmp_path / 'out' / 'probability.tif'} is given to the command")
    (tmp_path / "out" / "summary.json").write_text('{"format": "onnx"}')
    (fault,) = terminal("slide", *words, "slide=out/probability.tif").faults
    assert "is given to the command" in fault
    (tmp_path / "out" / "probability.tif").rename(tmp_path / "slide.tif")
    (fault,) = terminal("slide", *words, "slide=slide.tif").faults
    assert "summary.json is of another command" in fault


@pytest.mark.slow
def test_several_slides_have_a_table(
    run: Path, pixels: np.ndarray, terminal: Terminal, tmp_path: Path
) -> None:
    folder = tmp_path / "slides"
    folder.mkdir()
    for name in ("a", "b"):
        write_slide(folder / f"{name}.tif", pixels)
    write_slide(folder / "glass.tif", np.full((300, 300, 3), 240, np.uint8))
    answer = terminal("slide", f"run={run}", f"slide={folder}", "stain=off", "hydra.run.dir=out")
    (fault,) = answer.faults
    assert "glass.tif has one colour only" in fault
    with (tmp_path / "out" / "slides.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["slide"] for row in rows] == ["a", "b"]
    for name in ("a", "b"):
        assert (tmp_path / "out" / name / "summary.json").is_file()
    assert "| a " in answer.out  # also beside the fault
    (folder / "glass.tif").unlink()
    answer = terminal(
        "slide", f"run={run}", f"slide={folder}/*.tif", "stain=off", "hydra.run.dir=two"
    )
    assert answer.status == 0
    assert "| a " in answer.out


def test_all_faults_of_slides_are_in_one_answer(
    run: Path, pixels: np.ndarray, terminal: Terminal, tmp_path: Path
) -> None:
    write_slide(tmp_path / "unknown.tif", pixels, None)
    write_slide(tmp_path / "small.tif", pixels[:50])
    (tmp_path / "broken.svs").write_bytes(bytes(range(256)))
    words = ["slide=[unknown.tif,small.tif,broken.svs]", "hydra.run.dir=out"]
    faults = terminal("slide", f"run={run}", *words).faults
    assert len(faults) == 3
    assert not (tmp_path / "out").exists()
    faults = terminal("slide", f"run={run}", "slide=no*.svs", "hydra.run.dir=out").faults
    assert faults == ["slide: no file or folder matches no*.svs"]


def test_settings_that_do_not_fit_are_refused(run: Path, slide: Path, terminal: Terminal) -> None:
    words = [f"run={run}", f"slide={slide}", "stain=off"]
    (fault,) = terminal("slide", *words, "stride=20").faults
    assert fault == "stride=20 must divide centre=32, or be larger"
    (fault,) = terminal("slide", *words, "centre=97").faults
    assert fault == "centre=97 must be at most 96, the side of a patch"
    faults = terminal("slide", *words, "mpp=-1", "tissue=some", "stride=20", "centre=32").faults
    assert len(faults) == 3
