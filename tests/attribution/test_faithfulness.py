import numpy as np
import pytest
import torch
from torch import nn

from pcam.attribution import faithfulness
from pcam.attribution.network_free import random_ranks
from pcam.attribution.scorer import Scorer
from tests.attribution.networks import (
    linear_network,
    make_explainer,
    random_patches,
    with_backbone,
)


class Corner(nn.Module):
    """The mean of the upper left 8x8."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :, :8, :8].mean((1, 2, 3))[:, None]


@pytest.mark.parametrize(
    ("value", "deletion", "insertion"), [(1.0, 1 / 32, 31 / 32), (-1.0, 31 / 32, 1 / 32)]
)
def test_deletion_and_insertion_of_a_right_and_a_wrong_map(
    value: float, deletion: float, insertion: float
) -> None:
    head = nn.Linear(1, 1)
    head.weight.data, head.bias.data = torch.full((1, 1), -20.0), torch.full((1,), 10.0)
    scorer = Scorer(with_backbone(Corner(), head))
    # The probability is 1 of the patch and 0 of the baseline.
    x, white = torch.full((2, 3, 32, 32), -1.0), torch.ones(2, 3, 32, 32)
    ties = random_ranks((32, 32), 0, np.arange(2))
    maps = torch.zeros(2, 32, 32)
    maps[:, :8, :8] = value
    areas = faithfulness.deletion_and_insertion(
        scorer, x, white, maps, ties, cell=8, steps=16, batch=5
    )
    # The corner is one of 16 cells, replaced at the first or the last of 16 steps.
    np.testing.assert_allclose(areas[0], deletion, atol=1e-3)
    np.testing.assert_allclose(areas[1], insertion, atol=1e-3)


def test_cells_need_not_divide_the_patch() -> None:
    network, x = linear_network(), random_patches(3)
    maps, ties = random_patches(3).sum(1), random_ranks((16, 16), 0, np.arange(3))
    areas = faithfulness.deletion_and_insertion(
        Scorer(network), x, torch.zeros_like(x), maps, ties, cell=5, steps=4, batch=2
    )
    assert all(np.isfinite(area).all() for area in areas)


def test_an_empty_map_is_ordered_by_the_ties() -> None:
    scorer, x = Scorer(linear_network()), random_patches(3)
    ties = random_ranks((16, 16), 0, np.arange(3))
    areas = []
    for maps in (torch.zeros(3, 16, 16), ties):
        areas.append(
            faithfulness.deletion_and_insertion(
                scorer, x, torch.zeros_like(x), maps, -ties, cell=4, steps=16, batch=9
            )
        )
    np.testing.assert_allclose(areas[0], areas[1])


def test_similarity_is_spearman_s() -> None:
    from scipy.stats import spearmanr

    one, other = torch.randn(3, 8, 8), torch.randn(3, 8, 8)
    similarity = faithfulness.similarity(one, other)
    for i in range(3):
        expected = spearmanr(one[i].abs().flatten(), other[i].abs().flatten()).statistic
        assert similarity[i] == pytest.approx(expected)
    np.testing.assert_allclose(faithfulness.similarity(one, -2 * one), 1)
    assert np.isnan(faithfulness.similarity(one, torch.ones(3, 8, 8))).all()


def test_a_map_that_rotates_with_the_patch_agrees_under_symmetries() -> None:
    x, index = random_patches(2, 24), torch.arange(2)

    def rotating(few: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        return few.abs().sum(1)

    def fixed(few: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        return torch.arange(24.0).expand(len(few), 24, 24)

    agreement = faithfulness.symmetry(rotating, x, index, rotating(x, index))
    np.testing.assert_allclose(agreement, 1, atol=1e-3)
    agreement = faithfulness.symmetry(fixed, x, index, fixed(x, index))
    assert (agreement > -0.2).all()
    assert (agreement < 0.3).all()


def test_infidelity_of_a_linear_network() -> None:
    x, index = random_patches(3), torch.arange(3)
    explainer = make_explainer(linear_network())
    removals = faithfulness.remove_squares(
        explainer.scorer, x, explainer.baseline(x), index, seed=0, batch=5
    )
    right = explainer.maps("integrated_gradients", x, index).values
    # The map's sums over squares are the drops, up to a scale.
    np.testing.assert_allclose(faithfulness.infidelity(right, removals), 0, atol=1e-6)
    np.testing.assert_allclose(faithfulness.infidelity(7 * right, removals), 0, atol=1e-6)
    np.testing.assert_allclose(faithfulness.infidelity(-right, removals), 1)
    np.testing.assert_allclose(faithfulness.infidelity(torch.zeros(3, 16, 16), removals), 1)
    noise = torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(9))
    assert faithfulness.infidelity(noise, removals).mean() > 0.6


def test_infidelity_is_captum_s_if_its_scale_is_not_negative() -> None:
    from captum.metrics import infidelity

    x, index = random_patches(2), torch.arange(2)
    explainer = make_explainer(linear_network())
    baseline = explainer.baseline(x)
    removals = faithfulness.remove_squares(explainer.scorer, x, baseline, index, seed=0, batch=32)
    noise = torch.randn(2, 16, 16, generator=torch.Generator().manual_seed(9))
    maps = explainer.maps("integrated_gradients", x, index).values + 8 * noise
    for i in range(2):

        def perturb(many: torch.Tensor, i: int = i) -> tuple[torch.Tensor, torch.Tensor]:
            squares = removals.squares[i][:, None]
            return squares.expand_as(many) / 3.0, torch.where(squares, baseline[i], many)

        error = infidelity(
            explainer.scorer,
            perturb,
            x[i : i + 1],
            maps[i].expand(1, 3, -1, -1),
            n_perturb_samples=faithfulness.SQUARES,
            normalize=True,
        )
        expected = float(error) / (removals.drops[i] ** 2).mean()
        assert faithfulness.infidelity(maps, removals)[i] == pytest.approx(expected, rel=1e-4)


def test_sensitivity_to_noise() -> None:
    x, index = random_patches(2), torch.arange(2)

    def sensitivity(function: object) -> np.ndarray:
        return faithfulness.sensitivity(lambda few, index: function(few), x, index, seed=0)

    constant = sensitivity(lambda few: torch.ones(len(few), 16, 16))
    smooth = sensitivity(lambda few: few.sum(1))
    rough = sensitivity(lambda few: (1000 * few.sum(1)).sin())
    empty = sensitivity(lambda few: torch.zeros(len(few), 16, 16))
    assert constant.max() == 0
    assert (smooth > 0).all()
    assert (smooth < 0.05).all()
    assert (rough > 0.5).all()
    assert np.isnan(empty).all()
