import copy
import itertools

import numpy as np
import pytest
import torch
from torch import nn

from pcam.attribution import faithfulness as faith
from pcam.attribution.scorer import Scorer
from tests.attribution.networks import explainer, linear, network, patches, with_backbone


def test_where_a_map_lies_by_hand() -> None:
    maps = torch.tensor(
        [[[1.0, -3.0], [0.0, 4.0]], [[2.0, -2.0], [2.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]]
    )
    region = torch.tensor([[[False, True], [False, False]]]).expand(3, 2, 2)
    np.testing.assert_allclose(faith.share(maps, region), [3 / 8, 2 / 6, np.nan])
    np.testing.assert_allclose(faith.pointing(maps, region), [0, 1 / 3, np.nan])
    assert faith.area(region).tolist() == [0.25] * 3
    square = faith.square(32, 96, 96)
    assert float(square.double().mean()) == pytest.approx(1 / 9)
    assert square[32:64, 32:64].all()


def test_by_chance_a_map_gives_its_region_s_area() -> None:
    noise = faith.random_ranks((96, 96), 0, np.arange(300))
    region = faith.square(32, 96, 96).expand(300, -1, -1)
    assert faith.share(noise, region).mean() == pytest.approx(1 / 9, abs=0.002)
    assert faith.pointing(noise, region).mean() == pytest.approx(1 / 9, abs=0.06)


class Corner(nn.Module):
    """The mean of the upper left 8x8."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :, :8, :8].mean((1, 2, 3))[:, None]


def test_taking_away_what_matters_first_matters_most() -> None:
    head = nn.Linear(1, 1)
    head.weight.data, head.bias.data = torch.full((1, 1), -20.0), torch.full((1,), 10.0)
    scorer = Scorer(with_backbone(Corner(), head))
    x, white = (
        torch.full((2, 3, 32, 32), -1.0),
        torch.ones(2, 3, 32, 32),
    )  # 1 of the patch, 0 of the baseline
    right, wrong, ties = (
        torch.zeros(2, 32, 32),
        torch.zeros(2, 32, 32),
        faith.random_ranks((32, 32), 0, np.arange(2)),
    )
    right[:, :8, :8], wrong[:, :8, :8] = 1.0, -1.0
    for maps, deletion, insertion in ((right, 1 / 32, 31 / 32), (wrong, 31 / 32, 1 / 32)):
        found = faith.deletion_and_insertion(
            scorer, x, white, maps, ties, cell=8, steps=16, batch=5
        )
        np.testing.assert_allclose(
            found[0], deletion, atol=1e-3
        )  # one of 16 cells, at the first or the last of 16 steps
        np.testing.assert_allclose(found[1], insertion, atol=1e-3)


def test_cells_that_do_not_fill_the_patch() -> None:
    net, x = linear(), patches(3)
    maps, ties = patches(3).sum(1), faith.random_ranks((16, 16), 0, np.arange(3))
    found = faith.deletion_and_insertion(
        Scorer(net), x, torch.zeros_like(x), maps, ties, cell=5, steps=4, batch=2
    )
    assert all(np.isfinite(area).all() for area in found)


def test_an_empty_map_is_no_order() -> None:
    net, x = linear(), patches(3)
    ties = faith.random_ranks((16, 16), 0, np.arange(3))
    empty, by_chance = (
        faith.deletion_and_insertion(
            Scorer(net), x, torch.zeros_like(x), maps, -ties, cell=4, steps=16, batch=9
        )
        for maps in (torch.zeros(3, 16, 16), ties)
    )
    np.testing.assert_allclose(empty[0], by_chance[0])
    np.testing.assert_allclose(empty[1], by_chance[1])


def test_similarity_is_spearman_s() -> None:
    from scipy.stats import spearmanr

    one, other = torch.randn(3, 8, 8), torch.randn(3, 8, 8)
    told = faith.similarity(one, other)
    for i in range(3):
        assert told[i] == pytest.approx(
            spearmanr(one[i].abs().flatten(), other[i].abs().flatten()).statistic
        )
    np.testing.assert_allclose(faith.similarity(one, -2 * one), 1)
    assert np.isnan(faith.similarity(one, torch.ones(3, 8, 8))).all()


def test_agreement_under_the_symmetries() -> None:
    x, index = patches(2, 24), torch.arange(2)
    for explain, least, most in (
        (lambda few, index: few.abs().sum(1), 0.999, 1.001),  # turns with the patch
        (
            lambda few, index: torch.arange(24.0).expand(len(few), 24, 24),
            -0.2,
            0.3,
        ),  # stays where it is
    ):
        told = faith.symmetry(explain, x, index, explain(x, index))
        assert (told > least).all()
        assert (told < most).all()


def test_the_cascade_goes_from_the_head_to_the_first_layer() -> None:
    net, fresh, x = network(), network(), patches(1, 32)
    for p in fresh.parameters():
        p.data += 0.1
    before = copy.deepcopy(net.state_dict())
    own, new = net.state_dict(), fresh.state_dict()
    # buffers too: BatchNorm's statistics are learnt
    for key, value in new.items():
        if "running" in key:
            value += 0.5
    changed = []
    for mixed in faith.cascade(net, fresh, x, 4):
        state = mixed.state_dict()
        assert all(
            torch.equal(state[key], own[key]) or torch.equal(state[key], new[key]) for key in state
        )
        changed.append({key for key in state if not torch.equal(state[key], own[key])})
    assert changed[0] == {"head.0.weight", "head.0.bias"}
    assert all(fewer < more for fewer, more in itertools.pairwise(changed))
    differ = {key for key in own if not torch.equal(own[key], new[key])}
    assert changed[-1] == differ
    assert not any(
        key.startswith("backbone.conv1.0") for key in changed[-2]
    )  # the first layer is the last to go
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())


def test_infidelity_of_a_linear_network() -> None:
    x = patches(3)
    e = explainer(linear())
    index = torch.arange(3)
    removed = faith.removals(e.scorer, x, e.baseline(x), index, seed=0, batch=5)
    right = e.maps("integrated_gradients", x, index).values
    np.testing.assert_allclose(
        faith.infidelity(right, removed), 0, atol=1e-6
    )  # its sums over squares are the losses
    np.testing.assert_allclose(faith.infidelity(7 * right, removed), 0, atol=1e-6)
    np.testing.assert_allclose(faith.infidelity(-right, removed), 1)  # of the wrong sign
    np.testing.assert_allclose(faith.infidelity(torch.zeros(3, 16, 16), removed), 1)
    noise = torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(9))
    assert faith.infidelity(noise, removed).mean() > 0.6


def test_infidelity_is_captum_s_where_its_scale_is_not_below_zero() -> None:
    from captum.metrics import infidelity

    x, index = patches(2), torch.arange(2)
    e = explainer(linear())
    baseline = e.baseline(x)
    removed = faith.removals(e.scorer, x, baseline, index, seed=0, batch=32)
    maps = e.maps("integrated_gradients", x, index).values + 8 * torch.randn(2, 16, 16)
    for i in range(2):

        def perturb(many: torch.Tensor, i: int = i) -> tuple[torch.Tensor, torch.Tensor]:
            squares = removed.squares[i][:, None]
            return squares.expand_as(many) / 3.0, torch.where(squares, baseline[i], many)

        one = maps[i].expand(1, 3, -1, -1)
        error = infidelity(
            e.scorer, perturb, x[i : i + 1], one, n_perturb_samples=faith.SQUARES, normalize=True
        )
        assert faith.infidelity(maps, removed)[i] == pytest.approx(
            float(error) / (removed.losses[i] ** 2).mean(), rel=1e-4
        )


def test_sensitivity_to_noise() -> None:
    x, index = patches(2), torch.arange(2)
    still = faith.sensitivity(lambda few, index: torch.ones(len(few), 16, 16), x, index, seed=0)
    moved = faith.sensitivity(lambda few, index: few.sum(1), x, index, seed=0)
    torn = faith.sensitivity(lambda few, index: (1000 * few.sum(1)).sin(), x, index, seed=0)
    assert np.isnan(
        faith.sensitivity(lambda few, index: torch.zeros(len(few), 16, 16), x, index, seed=0)
    ).all()
    assert still.max() == 0
    assert (moved > 0).all()
    assert (moved < 0.05).all()
    assert (torn > 0.5).all()


def test_maps_that_know_nothing() -> None:
    x = torch.zeros(2, 3, 96, 96)
    x[:, :, :, 48:] = 1.0
    bell = faith.centre_gaussian(x, torch.arange(2))
    assert bell[0, 47:49, 47:49].min() == bell[0].max()
    torch.testing.assert_close(bell[0], bell[1].T)
    edge = faith.edges(x, torch.arange(2))
    assert float(edge[:, :, 47:49].sum() / edge.sum()) == pytest.approx(1)
