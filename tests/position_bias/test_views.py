"""Views of patches."""

import numpy as np
import pytest

from pcam.data.crop import centre_square
from pcam.errors import ConfigError
from pcam.position_bias.views import (
    View,
    add_noise,
    blur_region,
    draw_partners,
    exchange_region,
    fill_region,
    rotate_views,
)

PATCHES = np.random.default_rng(0).integers(0, 256, (6, 96, 96, 3), np.uint8)
INDICES = np.arange(6) * 7


def test_the_view_at_each_offset() -> None:
    view = View(96, 96, 64, 16)
    assert np.array_equal(view.crop_at(PATCHES, np.zeros(2, np.int64)), PATCHES[:, 16:80, 16:80])
    assert np.array_equal(view.crop_at(PATCHES, np.array([-16, 16])), PATCHES[:, :64, 32:])
    assert (view.low.tolist(), view.high.tolist()) == ([-16, -16], [16, 16])
    odd = View(96, 96, 33, 16)  # one offset more on one side
    assert (odd.low.tolist(), odd.high.tolist()) == ([-31, -31], [32, 32])
    assert np.array_equal(odd.crop_at(PATCHES, odd.high), PATCHES[:, 63:, 63:])


def test_a_whole_patch_is_mirrored_at_its_edges() -> None:
    view = View(96, 96, None, 5)
    moved = view.crop_at(PATCHES, np.array([5, -5]))
    assert np.array_equal(moved[:, :91, 5:], PATCHES[:, 5:, :91])
    assert np.array_equal(
        moved[:, 91:, 5:], PATCHES[:, 94:89:-1, :91]
    )  # the edge itself is not repeated
    assert np.array_equal(view.crop_at(PATCHES, np.zeros(2, np.int64)), PATCHES)


def test_offsets_are_drawn_by_patch_and_fill_their_range() -> None:
    view = View(96, 96, 64, 16)
    assert np.array_equal(view.draw_offsets(INDICES, 0)[2:4], view.draw_offsets(INDICES[2:4], 0))
    assert not np.array_equal(view.draw_offsets(INDICES, 0), view.draw_offsets(INDICES, 1))
    many = view.draw_offsets(np.arange(20000), 0)
    assert (many.min(0).tolist(), many.max(0).tolist()) == ([-16, -16], [16, 16])
    counts = np.bincount(many[:, 0] + 16)
    assert counts.min() > 20000 / 33 * 0.8
    assert abs(np.corrcoef(many.T)[0, 1]) < 0.03


def test_which_views_contain_the_centre() -> None:
    places = np.array([[0, 0], [16, -16], [17, 0]])
    assert View(96, 96, 64, 16).contains_centre(32, places[:2]).tolist() == [True, True]
    assert View(96, 96, 48, 16).contains_centre(32, np.array([[8, -8], [9, 0]])).tolist() == [
        True,
        False,
    ]
    assert View(96, 96, 32, 16).contains_centre(32, np.array([[0, 0], [0, 1]])).tolist() == [
        True,
        False,
    ]
    assert View(96, 96, None, 40).contains_centre(32, np.array([[32, 0], [33, 0]])).tolist() == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("size", "step", "ends"), [(64, 4, 16), (64, 1, 16), (None, 4, 12), (33, 10, 30)]
)
def test_the_grid_includes_the_middle(size: int | None, step: int, ends: int) -> None:
    grid = View(96, 96, size, 14).grid(step)
    side = range(-ends, ends + 1, step)
    assert grid.tolist() == [[row, column] for row in side for column in side]


def test_rotation_and_noise_of_one_level() -> None:
    assert np.array_equal(rotate_views(PATCHES)[0], np.rot90(PATCHES[0]))
    noisy = add_noise(PATCHES, INDICES, 0)
    change = noisy.astype(int) - PATCHES
    assert set(np.unique(change)) == {-1, 0, 1}
    assert abs(change.mean()) < 0.01
    assert np.array_equal(add_noise(PATCHES[2:3], INDICES[2:3], 0), noisy[2:3])


def test_regions_exchanged_blurred_and_filled() -> None:
    square = centre_square(32, 96, 96)
    assert square.sum() == 32 * 32
    assert square[32:64, 32:64].all()
    mixed = exchange_region(PATCHES, PATCHES[::-1], square)
    assert np.array_equal(mixed[:, square], PATCHES[::-1][:, square])
    assert np.array_equal(mixed[:, ~square], PATCHES[:, ~square])
    plain = fill_region(PATCHES, ~square)
    assert np.array_equal(plain[:, square], PATCHES[:, square])
    assert np.ptp(plain[:, ~square], axis=1).max() == 0
    np.testing.assert_allclose(plain[:, 0, 0], PATCHES[:, ~square].mean(1), atol=0.51)
    soft = blur_region(PATCHES, square)
    assert np.array_equal(soft[:, ~square], PATCHES[:, ~square])
    assert soft[:, square].std() < PATCHES[:, square].std() / 5
    dark = PATCHES.copy()
    dark[:, ~square] = 0
    assert np.array_equal(
        blur_region(dark, square)[:, square], soft[:, square]
    )  # no colour flows in


def test_partners_are_other_patches_of_the_label() -> None:
    labels = np.array([0, 1, 1, 0, 1, 0], np.uint8)
    for label in (0, 1):
        found = np.array([draw_partners(labels, INDICES, label, seed) for seed in range(200)])
        assert (labels[found] == label).all()
        assert (found != np.arange(6)).all()
        for place in range(6):  # each other patch of the label, and no other
            assert set(found[:, place]) == set(np.flatnonzero(labels == label)) - {place}
    assert not len(draw_partners(np.array([0, 1, 0], np.uint8), np.arange(3), 1, 0))


@pytest.mark.parametrize(("size", "reach"), [(97, 16), (None, 0), (None, 96)])
def test_an_impossible_view_is_an_error(size: int | None, reach: int) -> None:
    with pytest.raises(ConfigError, match="crop.size=97|reach="):
        View(96, 96, size, reach)
