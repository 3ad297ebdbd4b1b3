"""A slide at one resolution: the same pixels however they are read."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pcam.slides.opening import open_slide
from pcam.slides.view import SlideView, block_side
from tests.slides.writing import MPP, tissue, write_slide


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return tissue(4, 5)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, pixels: np.ndarray) -> Path:
    return write_slide(tmp_path_factory.mktemp("slides") / "slide.tif", pixels)


def test_a_level_of_the_wanted_resolution_is_used_as_it_is(file: Path, pixels: np.ndarray) -> None:
    for mpp, step in ((MPP, 1), (1.01 * MPP, 1), (2 * MPP, 2)):
        view = SlideView(open_slide(file), MPP, mpp)
        height, width = pixels[::step, ::step].shape[:2]
        assert (view.width, view.height) == (width, height)
        assert view.scale == step
        np.testing.assert_array_equal(view.read(0, 0, width, height), pixels[::step, ::step])


@pytest.mark.parametrize("ratio", [0.7, 1.4, 1.95, 3.1])
def test_a_pixel_does_not_depend_on_the_region_it_is_read_with(
    ratio: float, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pcam.slides.view.MOST_SIDE", 64)
    view = SlideView(open_slide(file), MPP, ratio * MPP)
    whole = view.read(0, 0, view.width, view.height)
    other = pickle.loads(pickle.dumps(view))
    for left, top in ((0, 0), (50, 60), (3, 129), (view.width - 40, view.height - 40)):
        part = other.read(left, top, 40, 40)
        np.testing.assert_array_equal(part, whole[top : top + 40, left : left + 40])


def test_blocks_have_no_seams(
    file: Path, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pcam.slides.view.MOST_SIDE", 64)
    ratio = 1.5
    view = SlideView(open_slide(file), MPP, ratio * MPP)
    found = view.read(0, 0, view.width, view.height)
    box = (0, 0, view.width * ratio, view.height * ratio)
    size = (view.width, view.height)
    wanted = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.HAMMING, box=box))
    assert np.abs(found.astype(int) - wanted).max() <= 1


def test_outside_of_the_slide_is_white(file: Path, pixels: np.ndarray) -> None:
    view = SlideView(open_slide(file), MPP, MPP)
    height, width = pixels.shape[:2]
    region = view.read(-10, height - 20, 40, 50)
    np.testing.assert_array_equal(region[:20, 10:], pixels[height - 20 :, :30])
    assert (region[20:] == 255).all()
    assert (region[:, :10] == 255).all()
    assert (view.read(width + 5, 0, 8, 8) == 255).all()
    assert (view.read(-50, -50, 8, 8) == 255).all()


def test_blocks_are_read_from_few_pixels() -> None:
    assert block_side(1.0) == 1024
    assert block_side(2.0) == 1024
    assert block_side(2.1) == 512
    assert block_side(1000.0) == 16
