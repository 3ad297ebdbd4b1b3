import numpy as np
import pytest

from pcam.data.crop import Crop, centre_square
from pcam.errors import ConfigError, DataError
from tests.data.configs import data_config

# patches whose pixels are their own coordinates, so that a crop shows its place
ROWS, COLUMNS = np.mgrid[:96, :96].astype(np.uint8)
PATCHES = np.stack([np.stack([ROWS, COLUMNS, np.full_like(ROWS, i)], -1) for i in range(64)])
INDICES = np.arange(64)


def corners(cut: np.ndarray) -> np.ndarray:
    return cut[:, 0, 0, :2].astype(int)


def test_center_of_32_is_the_square_that_the_label_depends_on() -> None:
    cut = Crop("center", 32)(PATCHES, INDICES, 0)
    assert cut.shape == (64, 32, 32, 3)
    assert (corners(cut) == 32).all()
    assert (cut[:, -1, -1, :2] == 63).all()


def test_none_gives_the_patches() -> None:
    assert (Crop("none")(PATCHES, INDICES, 0) == PATCHES).all()


def test_random_depends_on_seed_epoch_and_patch_and_on_nothing_else() -> None:
    crop = Crop("random", 64, seed=1)
    whole = corners(crop(PATCHES, INDICES, epoch=0))
    one_by_one = np.concatenate([corners(crop(PATCHES[[i]], np.array([i]), 0)) for i in INDICES])
    assert (whole == one_by_one).all()
    assert (corners(crop(PATCHES, INDICES, 1)) != whole).any(1).mean() > 0.9
    assert (corners(Crop("random", 64, seed=2)(PATCHES, INDICES, 0)) != whole).any(1).mean() > 0.9
    assert len(np.unique(whole, axis=0)) > 50


def test_random_reaches_every_offset() -> None:
    crop = Crop("random", 93)
    drawn = np.concatenate([corners(crop(PATCHES, INDICES, epoch)) for epoch in range(20)])
    counts = np.bincount(drawn[:, 0] * 4 + drawn[:, 1], minlength=16)
    assert counts.min() > 40  # 80 are expected of each of the 16 places
    assert counts.max() < 130


def test_bad_settings_are_errors() -> None:
    with pytest.raises(DataError, match="crop.size=97 is larger than the patches"):
        Crop("center", 97)(PATCHES, INDICES, 0)
    with pytest.raises(ConfigError, match=r"crop\.size=null must be an integer"):
        data_config("crop=random", "crop.size=null")
    with pytest.raises(ConfigError, match=r"crop\.train=centre .*random"):
        data_config("crop=center", "crop.train=centre")


def test_a_centre_square_larger_than_the_patch_is_all_of_it() -> None:
    assert centre_square(32, 96, 96).sum() == 32 * 32
    assert centre_square(200, 96, 96).all()


def test_a_ring_shows_nothing_of_the_centre() -> None:
    patches = np.random.default_rng(0).integers(0, 256, (6, 96, 96, 3), np.uint8)
    ring = Crop("ring", 32)(patches, np.arange(6), 0)
    square = np.zeros((96, 96), bool)
    square[32:64, 32:64] = True
    assert (ring[:, ~square] == patches[:, ~square]).all()
    assert (ring[:, square] == np.rint(patches[:, ~square].mean(1)).astype(np.uint8)[:, None]).all()
    other = patches.copy()
    other[:, square] = 255 - other[:, square]
    assert (Crop("ring", 32)(other, np.arange(6), 0) == ring).all()
    with pytest.raises(DataError, match="is empty"):
        Crop("ring", 96)(patches, np.arange(6), 0)
