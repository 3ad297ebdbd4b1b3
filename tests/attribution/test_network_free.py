import pytest
import torch

from pcam.attribution.network_free import centre_gaussian, edges


def test_the_gaussian_is_largest_in_the_centre_and_the_same_for_every_patch() -> None:
    gaussian = centre_gaussian(torch.zeros(2, 3, 96, 96), torch.arange(2))
    assert gaussian[0, 47:49, 47:49].min() == gaussian[0].max()
    torch.testing.assert_close(gaussian[0], gaussian[1].T)


def test_edges_are_where_pixels_change() -> None:
    x = torch.zeros(2, 3, 96, 96)
    x[:, :, :, 48:] = 1.0
    strength = edges(x, torch.arange(2))
    assert float(strength[:, :, 47:49].sum() / strength.sum()) == pytest.approx(1)
