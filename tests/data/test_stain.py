"""The stain of patches as numbers."""

import numpy as np

from pcam.data.augment.stains import STAINS
from pcam.data.base import Pixels
from pcam.data.stain import haematoxylin_share, mean_density


def patch_of(haematoxylin: float, eosin: float) -> Pixels:
    """Return a patch (4, 4, 3) of one colour: these amounts of stain."""
    light = 255 * np.exp(-np.array([haematoxylin, eosin, 0]) @ STAINS)
    return np.full((4, 4, 3), np.rint(light), np.uint8)


def test_glass_does_not_count_in_a_mean_colour() -> None:
    patches = np.full((2, 4, 4, 3), 250, np.uint8)
    patches[:, :2] = (150, 80, 130)
    np.testing.assert_allclose(np.exp(-mean_density(patches)) * 255, (150, 80, 130))


def test_the_share_of_haematoxylin_is_that_of_its_amount() -> None:
    amounts = [(0.8, 0.0), (0.0, 0.8), (0.6, 0.6), (0.9, 0.3)]
    patches = np.stack([patch_of(*pair) for pair in amounts])
    expected = [1, 0, 0.5, 0.75]
    np.testing.assert_allclose(haematoxylin_share(patches), expected, atol=0.02)


def test_glass_beside_tissue_does_not_change_the_share_and_glass_alone_has_none() -> None:
    patches = np.stack([patch_of(0.9, 0.3)] * 2)
    patches[0, :2] = 252
    patches[1] = 255
    share = haematoxylin_share(patches)
    np.testing.assert_allclose(share, [0.75, np.nan], atol=0.02)
