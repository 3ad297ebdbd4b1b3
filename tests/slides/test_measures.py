"""Maps beside annotations: areas by cells, Dice, detections."""

import numpy as np
import pytest
import shapely

from pcam.slides.grid import Grid
from pcam.slides.measures import covered_cells, dice, local_maxima, tumour_share

GRID = Grid(width=320, height=192, patch=96, centre=32, stride=32, scale=2.0)


def test_the_share_of_cells_is_the_area_of_the_annotation() -> None:
    ring = shapely.Point(300, 180).buffer(120).difference(shapely.Point(300, 180).buffer(40))
    tumour = shapely.union_all([ring, shapely.box(560, 0, 600, 20), shapely.box(600, 20, 610, 30)])
    share = tumour_share(tumour, GRID)
    assert share.sum() * GRID.cell**2 == pytest.approx(tumour.area)
    assert share[2, 4] < 1  # the hole
    assert share.max() == pytest.approx(1)
    assert not tumour_share(shapely.Polygon(), GRID).any()


def test_a_square_has_tumour_if_any_of_its_cells_does() -> None:
    share = np.zeros((5, 6))
    share[3, 4] = 0.1
    assert np.argwhere(covered_cells(share, 1)).tolist() == [[3, 4]]
    assert np.argwhere(covered_cells(share, 2)).tolist() == [[2, 3], [2, 4], [3, 3], [3, 4]]
    assert len(np.argwhere(covered_cells(share, 4))) == 4 * 4


def test_dice_is_of_areas() -> None:
    called = np.array([[1.0, 1.0, 0.0]])
    assert dice(called, np.array([[1.0, 0.5, 0.5]])) == pytest.approx(2 * 1.5 / (2 + 2))
    assert np.isnan(dice(np.zeros((1, 3)), np.zeros((1, 3))))


def test_detections_are_the_highest_cells_around() -> None:
    probability = np.full((GRID.rows, GRID.columns), 0.05)
    probability[:, 0] = np.nan
    probability[1, 2:4] = 0.9  # equally high neighbours count once
    probability[1, 4] = 0.8
    probability[4, 8] = 0.6
    x, y, score = local_maxima(probability, GRID, radius=2.5 * GRID.cell)
    assert score.tolist() == [0.9, 0.6]
    assert (x / GRID.cell).tolist() == [3.0, 8.5]
    assert (y / GRID.cell).tolist() == [1.5, 4.5]
