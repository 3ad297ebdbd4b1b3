import functools

import numpy as np
import pytest

from pcam.config.sections import AugConfig
from pcam.data.augment.augmentation import Augmentation
from pcam.data.sources.synthetic.source import SyntheticSource
from pcam.errors import ConfigError, DataError
from tests.data.configs import data_config
from tests.marks import slow_but

SOURCE = SyntheticSource("train", 64)
PATCHES, INDICES = SOURCE.read(np.arange(64)), np.arange(64)
RECIPES = ("none", "dihedral", "dihedral_color", "stain", "paper", "keras")


@functools.cache
def settings(name: str) -> AugConfig:
    return data_config(f"aug={name}").aug


def recipe(name: str, seed: int = 0) -> Augmentation:
    return Augmentation(settings(name), seed)


def symmetries(patch: np.ndarray) -> list[np.ndarray]:
    rotations = [np.rot90(patch, k) for k in range(4)]
    return [*rotations, *(np.fliplr(p) for p in rotations)]


@pytest.mark.parametrize("name", slow_but({"dihedral", "paper"}, RECIPES[1:]))
def test_trap_albumentations_repeats_its_stream_in_every_worker_and_epoch(name: str) -> None:
    augment = recipe(name)
    whole = augment(PATCHES, INDICES, epoch=0)
    assert whole.shape == PATCHES.shape
    assert whole.dtype == np.uint8
    alone = np.concatenate([augment(PATCHES[[i]], np.array([i]), 0) for i in reversed(INDICES)])[
        ::-1
    ]
    assert (whole == alone).all()
    assert (recipe(name)(PATCHES, INDICES, 0) == whole).all()

    same = np.repeat(PATCHES[:1], 64, axis=0)  # one image under 64 names: only the draws differ
    by_patch = augment(same, INDICES, 0)
    by_epoch = np.concatenate([augment(same[:1], INDICES[:1], epoch) for epoch in range(64)])
    by_seed = np.concatenate([recipe(name, seed)(same[:1], INDICES[:1], 0) for seed in range(64)])
    for drawn in (by_patch, by_epoch, by_seed):
        different = len(np.unique(drawn.reshape(64, -1), axis=0))
        assert different == 8 if name == "dihedral" else different > 20


def test_none_changes_nothing() -> None:
    assert (recipe("none")(PATCHES, INDICES, 0) == PATCHES).all()


def test_dihedral_draws_each_of_the_eight_symmetries_equally_often() -> None:
    patch = PATCHES[0]
    drawn = recipe("dihedral")(np.repeat(PATCHES[:1], 4000, axis=0), np.arange(4000), 0)
    counts = [int((drawn == symmetry).all((1, 2, 3)).sum()) for symmetry in symmetries(patch)]
    assert sum(counts) == 4000
    assert min(counts) > 420  # 500 are expected, standard deviation 21
    assert max(counts) < 580


def test_paper_jitters_half_of_the_patches_and_rotates_or_flips() -> None:
    patch = PATCHES[0]
    drawn = recipe("paper")(np.repeat(PATCHES[:1], 600, axis=0), np.arange(600), 0)
    plain = [int((drawn == symmetry).all((1, 2, 3)).sum()) for symmetry in symmetries(patch)]
    assert abs(sum(plain) / 600 - 0.5) < 0.08
    # of rotation; flip; both, each a third: the four rotations have 1/12 each, every mirror image
    # more than that
    assert all(count > 10 for count in plain)


def test_keras_fills_with_the_nearest_pixel_and_moves_the_image() -> None:
    flat = np.full((50, 96, 96, 3), 200, np.uint8)
    assert (
        recipe("keras")(flat, np.arange(50), 0) == 200
    ).all()  # a constant fill would leave dark corners
    rows = np.repeat(np.arange(96, dtype=np.uint8)[None, :, None, None], 96, axis=2).repeat(
        3, axis=3
    )
    drawn = recipe("keras")(rows.repeat(400, axis=0), np.arange(400), 0)
    middle = drawn[:, 48, 48, 0].astype(float) - 48
    assert 15 < np.abs(middle).max() < 30  # shift of ±0.2·96 = 19 px, and what zoom adds at its end
    assert abs(middle.mean()) < 2.5


def test_the_patches_given_are_not_changed() -> None:
    before = PATCHES.copy()
    for name in RECIPES:
        recipe(name)(PATCHES, INDICES, 0)
    assert (before == PATCHES).all()


def test_bad_settings_are_errors() -> None:
    with pytest.raises(ConfigError, match="aug.name=dihedrall is not .*; did you mean dihedral"):
        data_config("aug.name=dihedrall")
    with pytest.raises(ConfigError, match=r"unknown key aug.zooms; did you mean .*zoom"):
        data_config("aug=keras", "+aug.zooms=1")
    with pytest.raises(ConfigError, match=r"aug\.hue=0\.7 .*0\.5"):
        data_config("aug=paper", "aug.hue=0.7")
    with pytest.raises(DataError, match="square"):
        recipe("paper")(PATCHES[:, :64], INDICES, 0)
