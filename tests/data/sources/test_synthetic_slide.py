"""Synthetic slides with planted metastases."""

import numpy as np

from pcam.data.sources.synthetic.slide import compose_slide

RADII = (60.0, 30.0)


def test_the_tumour_is_where_the_metastases_are() -> None:
    slide = compose_slide(600, 500, RADII, seed=3)
    assert slide.pixels.shape == (480, 576, 3)
    assert slide.mask.shape == (480, 576)
    y, x = np.mgrid[0:480, 0:576].astype(float)
    depth = np.max([lesion.depth(x, y) for lesion in slide.lesions], axis=0)
    assert slide.mask[depth > 12].mean() > 0.6  # cells have clefts
    assert not slide.mask[depth < -12].any()
    for lesion in slide.lesions:
        outline = lesion.outline()
        np.testing.assert_allclose(lesion.depth(outline[:, 0], outline[:, 1]), 0, atol=1e-9)


def test_the_node_is_on_glass() -> None:
    slide = compose_slide(600, 500, (), seed=3)
    assert not slide.mask.any()
    corner = slide.pixels[:20, :20].astype(float)
    assert corner.mean() > 210
    assert slide.pixels[200:280, 250:330].mean() < corner.mean() - 15


def test_a_slide_is_a_function_of_its_seed() -> None:
    first, second = (compose_slide(200, 200, (20.0,), seed=1) for _ in range(2))
    np.testing.assert_array_equal(first.pixels, second.pixels)
    other = compose_slide(200, 200, (20.0,), seed=2)
    assert (first.pixels != other.pixels).any()
