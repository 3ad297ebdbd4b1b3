"""Principal components of features, and the patches that are shown."""

import numpy as np
import pytest

from pcam.data.sources.synthetic.source import SyntheticSource
from pcam.data.stain import haematoxylin_share
from pcam.probing import projection
from pcam.probing.projection import choose_shown, project


def test_points_on_a_line_have_one_component() -> None:
    place = np.linspace(-1, 1, 50)[:, None]
    direction = np.array([[1.0, -100.0, 0.01]])
    train = (place * direction + [5, 6, 7]).astype(np.float32)
    found = project(train, train[[0, 24, 49]], seed=0)
    assert found.shares == pytest.approx((1, 0), abs=1e-4)
    # three features of variance 1, so the place along the line is its own in sqrt(3) deviations
    expected = np.sqrt(3) * place[[0, 24, 49], 0] / place.std()
    np.testing.assert_allclose(np.abs(found.points[:, 0]), np.abs(expected), rtol=1e-3)
    np.testing.assert_allclose(found.points[:, 1], 0, atol=1e-2)


def test_components_are_those_of_standardised_features_of_train() -> None:
    """Features of equal variance after standardising share it, whatever their units."""
    generator = np.random.default_rng(0)
    train = generator.normal(size=(4000, 4)).astype(np.float32)
    train[:, 0] *= 1000
    assert project(train, train[:5], seed=0).shares == pytest.approx((0.25, 0.25), abs=0.02)
    shifted = project(train, train[:5] + train.std(0), seed=0).points
    assert not np.allclose(shifted, project(train, train[:5], seed=0).points, atol=0.1)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("width", [1, 3])
def test_one_feature_and_features_that_do_not_vary(width: int) -> None:
    constant = np.full((20, width), 3, np.float32)
    found = project(constant, constant, seed=0)
    assert found.shares == (0, 0)
    np.testing.assert_array_equal(found.points, np.zeros((20, 2)))


def test_shown_patches_have_their_own_label_slide_and_stain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(projection, "MOST_POINTS", 12)
    monkeypatch.setattr(projection, "AT_ONCE", 5)
    source = SyntheticSource("test", 40)
    shown = choose_shown(source, seed=0)
    assert len(set(shown.rows)) == 12
    assert shown.slide is not None
    np.testing.assert_array_equal(shown.label, source.labels[shown.rows])
    assert shown.slide.tolist() == [source.groups[row] for row in shown.rows]
    np.testing.assert_array_equal(shown.stain, haematoxylin_share(source.read(shown.rows)))
