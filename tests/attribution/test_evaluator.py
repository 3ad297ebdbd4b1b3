import numpy as np
import pytest
import torch

from pcam.attribution import faithfulness
from pcam.attribution.cases import Cases
from pcam.attribution.evaluate import evaluate_methods
from pcam.attribution.explainer import Explainer
from pcam.attribution.measures import DIFFERENCE, MEASURES, NO_NETWORK, RANDOM, TRAINED, Row
from pcam.data.crop import centre_square
from pcam.models.network import Network
from tests.attribution.networks import centre_network, make_explainer, random_patches

Key = tuple[str, str, str]


def untrained() -> Network:
    """Return a network that sees the whole patch."""
    network = centre_network()
    network.backbone.mask.fill_(1.0)
    network.backbone.conv.weight.data = -network.backbone.conv.weight.data.flip(0)
    return network


def centre_regions(count: int) -> dict[str, torch.Tensor]:
    return {"centre": torch.from_numpy(centre_square(32, 96, 96)).expand(count, -1, -1)}


def evaluate(
    explainer: Explainer, cases: Cases, methods: list[str], cell: int = 16, resamples: int = 100
) -> dict[Key, Row]:
    rows = evaluate_methods(explainer, untrained(), "conv", methods, cases, cell, resamples)
    return {(row.measure, row.method, row.network): row for row in rows}


@pytest.fixture(scope="module")
def measured() -> dict[Key, Row]:
    """All measures of two methods on a network that sees the centre only."""
    x = random_patches(12, 96)
    slides = [f"slide-{i % 6}" for i in range(12)]
    cases = Cases(x, torch.arange(12), centre_regions(12), slides, repeated=4)
    explainer = make_explainer(centre_network(), "conv", x, baseline="mean", steps=16)
    return evaluate(explainer, cases, ["integrated_gradients", "gradcam"], cell=8, resamples=200)


def test_every_measure_is_there(measured: dict[Key, Row]) -> None:
    expected = {name for name in MEASURES if "tumour" not in name and "deciding" not in name}
    assert {measure for measure, _, _ in measured} == expected
    assert ("completeness_gap", "gradcam", TRAINED) not in measured
    for row in measured.values():
        assert np.isnan(row.low) or row.low <= row.value <= row.high


@pytest.mark.parametrize("method", ["integrated_gradients", "gradcam"])
def test_a_right_map_beats_chance(measured: dict[Key, Row], method: str) -> None:
    trained = measured["centre_share", method, TRAINED]
    random = measured["centre_share", method, RANDOM]
    assert trained.value > 0.999
    assert trained.chance == pytest.approx(1 / 9, abs=0.002)  # noise is as far from grey everywhere
    assert trained.patches == 12
    assert random.low < 1 / 9 < random.high  # its map covers the whole patch
    assert measured["random_all", method, TRAINED].value < 0.5
    assert measured["random_head", method, TRAINED].patches == 4
    # Convolutions of one pixel rotate with the patch.
    assert measured["symmetry", method, TRAINED].value > 0.99
    if method == "integrated_gradients":
        assert measured["deletion", method, TRAINED].less_chance.high < 0
        assert measured["completeness_gap", method, TRAINED].value <= 0.01


@pytest.mark.parametrize("method", ["centre_gaussian", "edges"])
def test_maps_without_a_network_do_not_change_with_it(
    measured: dict[Key, Row], method: str
) -> None:
    assert measured["random_all", method, NO_NETWORK].value == pytest.approx(1)
    assert measured["symmetry", method, NO_NETWORK].value > 0.99
    right = measured["infidelity", "integrated_gradients", TRAINED].value
    assert right < measured["infidelity", "edges", NO_NETWORK].value
    if method == "centre_gaussian":
        assert measured["centre_share", method, NO_NETWORK].low > 0.3
        assert measured["sensitivity", method, NO_NETWORK].value == 0


def test_chance_is_where_the_patch_differs_from_the_baseline() -> None:
    x = random_patches(8, 96)
    x[:, :, 32:64, 32:64] *= 3  # farther from grey than the surroundings
    cases = Cases(x, torch.arange(8), centre_regions(8), None, repeated=0)
    explainer = make_explainer(centre_network(), "conv", x, baseline="mean", steps=16)
    found = evaluate(explainer, cases, ["integrated_gradients", "saliency"])
    assert found["centre_share", "saliency", RANDOM].chance == pytest.approx(1 / 9)
    chance = found["centre_share", "integrated_gradients", RANDOM].chance
    assert chance == pytest.approx(3 / (3 + 8), abs=0.01)


def test_few_hits_and_misses_are_not_different_from_chance() -> None:
    x = random_patches(4, 96)
    corner = torch.zeros(4, 96, 96, dtype=torch.bool)
    corner[:, :24, :24] = True  # a sixteenth of the patch, which the network does not see
    cases = Cases(x, torch.arange(4), {"centre": corner}, None, repeated=0)
    found = evaluate(make_explainer(centre_network(), "conv"), cases, ["saliency"])
    row = found["centre_pointing", "saliency", TRAINED]
    assert row.value == 0
    assert row.less_chance.low < 0 < row.less_chance.high
    for row in found.values():
        difference = row.less_chance
        if difference is not None and difference.is_known:
            assert -1 <= difference.low <= difference.value <= difference.high <= 1


@pytest.mark.slow
def test_a_right_map_beats_the_gaussian_and_an_even_map() -> None:
    x = random_patches(8, 96)
    cases = Cases(x, torch.arange(8), {}, None, repeated=8)
    explainer = make_explainer(centre_network(), "conv", x, baseline="mean", steps=16)
    found = evaluate(explainer, cases, ["integrated_gradients"], cell=8, resamples=200)
    row = found["infidelity", "integrated_gradients", TRAINED]
    gaussian = found["infidelity", "centre_gaussian", NO_NETWORK]
    assert row.less_gaussian.value == pytest.approx(row.value - gaussian.value)
    assert row.less_gaussian.high < 0
    assert gaussian.less_gaussian is None
    removals = faithfulness.remove_squares(
        explainer.scorer, x, explainer.baseline(x), cases.index, 0, 8
    )
    even = faithfulness.infidelity(torch.ones(8, 96, 96), removals)
    assert row.chance == pytest.approx(even.mean())
    assert row.chance > row.value


def test_without_repeated_patches_only_cheap_measures_are_there() -> None:
    cases = Cases(random_patches(3, 96), torch.arange(3), {}, None, repeated=0)
    found = evaluate(make_explainer(centre_network(), "conv"), cases, ["saliency"], resamples=50)
    assert {measure for measure, _, _ in found} == {"deletion", "insertion", DIFFERENCE}


def test_a_method_is_compared_with_itself_on_random_weights() -> None:
    cases = Cases(random_patches(3, 96), torch.arange(3), {}, None, repeated=0)
    found = evaluate(make_explainer(centre_network(), "conv"), cases, ["saliency"], resamples=50)
    trained, random = (found[DIFFERENCE, "saliency", network] for network in (TRAINED, RANDOM))
    assert trained.less_random.value == pytest.approx(trained.value - random.value)
    assert random.less_random is None
    insertion = found["insertion", "saliency", TRAINED]
    deletion = found["deletion", "saliency", TRAINED]
    assert trained.value == pytest.approx(insertion.value - deletion.value)
