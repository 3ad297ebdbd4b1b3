import numpy as np
import pytest
import torch

from pcam.attribution import localisation
from pcam.attribution.network_free import random_ranks
from pcam.data.crop import centre_square


def test_share_and_pointing_by_hand() -> None:
    maps = torch.tensor(
        [[[1.0, -3.0], [0.0, 4.0]], [[2.0, -2.0], [2.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]]
    )
    region = torch.tensor([[[False, True], [False, False]]]).expand(3, 2, 2)
    np.testing.assert_allclose(localisation.share(maps, region), [3 / 8, 2 / 6, np.nan])
    np.testing.assert_allclose(localisation.pointing(maps, region), [0, 1 / 3, np.nan])
    assert localisation.area(region).tolist() == [0.25] * 3


def test_a_random_map_has_the_region_s_area_as_its_share() -> None:
    noise = random_ranks((96, 96), 0, np.arange(300))
    region = torch.from_numpy(centre_square(32, 96, 96)).expand(300, -1, -1)
    assert localisation.share(noise, region).mean() == pytest.approx(1 / 9, abs=0.002)
    assert localisation.pointing(noise, region).mean() == pytest.approx(1 / 9, abs=0.06)
