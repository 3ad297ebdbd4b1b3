"""Where patches are, and what the map is made of."""

import numpy as np
import pytest

from pcam.slides.grid import Grid, smooth_map


def grid(stride: int, width: int = 320, height: int = 200, scale: float = 2.0) -> Grid:
    return Grid(width, height, patch=96, centre=32, stride=stride, scale=scale)


def test_the_squares_of_all_patches_cover_the_slide() -> None:
    one = grid(32)
    assert (one.rows, one.columns, one.side, one.overlap, one.cell) == (7, 10, 32, 1, 64.0)
    corners = one.corners(np.array([[0, 0], [6, 9]]))
    np.testing.assert_array_equal(corners, [[-32, -32], [160, 256]])
    wide = grid(96)
    assert (wide.side, wide.overlap) == (96, 1)
    np.testing.assert_array_equal(wide.corners(np.array([[1, 2]])), [[96, 192]])


@pytest.mark.parametrize("stride", [32, 16, 8, 48])
def test_a_cell_is_the_mean_of_the_answers_that_cover_it(stride: int) -> None:
    one = grid(stride)
    places = one.places(np.ones((one.rows, one.columns), bool), 1024)
    values = np.random.default_rng(0).random(len(places))
    found = one.cell_means(places, values)
    pixels = np.zeros((one.rows * stride, one.columns * stride))
    counts = pixels.copy()
    for (row, column), value in zip(places * stride, values, strict=True):
        square = (slice(row, row + one.side), slice(column, column + one.side))
        pixels[square] += value
        counts[square] += 1
    wanted = pixels / counts
    np.testing.assert_allclose(found.repeat(stride, 0).repeat(stride, 1), wanted)


def test_cells_without_an_answer_are_not_numbers() -> None:
    one = grid(32)
    found = one.cell_means(np.array([[2, 3]]), np.array([0.25]))
    assert found[2, 3] == 0.25
    assert np.isnan(found).sum() == found.size - 1


def test_patches_are_those_with_tissue_in_their_square_and_stay_by_block() -> None:
    one = grid(16, 640, 640)
    tissue = np.zeros((one.rows, one.columns), bool)
    tissue[5, 7] = True
    places = {tuple(place) for place in one.places(tissue, 1024).tolist()}
    assert places == {(4, 6), (4, 7), (5, 6), (5, 7)}
    everywhere = one.places(np.ones_like(tissue), 320)
    assert len(everywhere) == tissue.size
    blocks = [(row // 20, column // 20) for row, column in everywhere.tolist()]
    assert blocks == sorted(blocks)


def test_a_cell_with_any_pixel_of_a_mask_counts() -> None:
    one = grid(32, 320, 192)
    mask = np.zeros((48, 80), bool)  # 4 pixels of the view each
    mask[8, 15] = True
    found = one.cells_with(mask)
    assert found.shape == (6, 10)
    assert np.argwhere(found).tolist() == [[1, 1]]
    coarse = one.cells_with(np.array([[True, False]]))
    np.testing.assert_array_equal(coarse, np.repeat([[True, False]], 5, 1).repeat(6, 0))


def test_smoothing_takes_nothing_from_cells_without_an_answer() -> None:
    values = np.full((9, 9), 0.8)
    values[:, 5:] = np.nan
    np.testing.assert_allclose(smooth_map(values, 1.5), values)
    values[4, 2] = 0.0
    smooth = smooth_map(values, 1.5)
    assert 0 < smooth[4, 2] < 0.8
    assert smooth[4, 2] < smooth[4, 3] < smooth[4, 4]
    np.testing.assert_array_equal(smooth_map(values, 0), values)
