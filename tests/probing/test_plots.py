"""The picture of features."""

import io

import numpy as np
import pytest
from PIL import Image

from pcam.probing.plots import draw_features, largest_slides
from pcam.probing.projection import Projection, ShownPatches

GENERATOR = np.random.default_rng(0)
COUNT = 120
PROJECTION = Projection(GENERATOR.normal(size=(COUNT, 2)), (0.5, 0.25))


def shown(slides: int | None, label: int | None = None) -> ShownPatches:
    """Return patches of slides, of one class or of both; some have no stain."""
    labels = GENERATOR.integers(2, size=COUNT) if label is None else np.full(COUNT, label)
    stain = np.where(np.arange(COUNT) < 10, np.nan, GENERATOR.random(COUNT))
    slide = None
    if slides is not None:
        slide = np.array([f"slide {number % slides:02d}" for number in range(COUNT)])
    return ShownPatches(np.arange(COUNT), labels.astype(np.uint8), slide, stain)


def draw(patches: ShownPatches) -> np.ndarray:
    picture = draw_features("a backbone", PROJECTION, patches, ("normal", "tumour"))
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))


def test_a_panel_for_slides_is_drawn_where_they_are_known() -> None:
    assert draw(shown(5)).shape[1] > draw(shown(None)).shape[1] + 300


def test_the_colour_of_a_label_is_in_the_picture() -> None:
    """Okabe and Ito's vermilion, at its strength where points are not covered."""
    pictures = [draw(shown(None, label)) for label in (0, 1)]
    left = [picture[60:-50, 60 : picture.shape[1] // 2 - 60] for picture in pictures]
    warm = [int(((part[..., 0] > 200) & (part[..., 2] < 130)).sum()) for part in left]
    assert warm[1] > 5 * warm[0]


@pytest.mark.filterwarnings("error")
def test_more_slides_than_colours_and_patches_without_stain_are_drawn() -> None:
    patches = shown(40)
    patches.stain[:] = np.nan
    assert draw(patches).std() > 0


def test_the_largest_slides_are_named() -> None:
    slide = np.repeat([f"slide {number:02d}" for number in range(30)], np.arange(1, 31))
    assert largest_slides(slide) == [f"slide {number:02d}" for number in range(10, 30)]
    assert largest_slides(np.array(["b", "a", "b"])) == ["a", "b"]
