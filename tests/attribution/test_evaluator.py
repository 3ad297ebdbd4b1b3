import numpy as np
import pytest
import torch

from pcam.attribution import faithfulness as faith
from pcam.attribution.evaluator import MEASURES, NAIVE, RANDOM, TRAINED, Cases, measure
from pcam.attribution.faithfulness import square
from pcam.models.network import Network
from tests.attribution.networks import centred, explainer, patches


def untrained() -> Network:
    net = centred()
    net.backbone.mask.fill_(1.0)  # one that looks everywhere
    net.backbone.conv.weight.data = -net.backbone.conv.weight.data.flip(0)
    return net


def test_the_table_tells_a_network_that_is_right_from_chance() -> None:
    x = patches(12, 96)
    centre = square(32, 96, 96).expand(12, -1, -1)
    slides = [f"slide-{i % 6}" for i in range(12)]
    cases = Cases(x, torch.arange(12), {"centre": centre}, slides, repeated=4)
    e = explainer(centred(), "conv", references=x, baseline="mean")
    rows = measure(
        e, untrained(), "conv", ["integrated_gradients", "gradcam"], cases, cell=8, resamples=200
    )
    found = {(row["measure"], row["method"], row["network"]): row for row in rows}
    assert {row["measure"] for row in rows} == {
        name for name in MEASURES if "tumour" not in name and "deciding" not in name
    }
    for method in ("integrated_gradients", "gradcam"):
        mine, random = (found["centre_share", method, network] for network in (TRAINED, RANDOM))
        assert mine["value"] > 0.999
        assert mine["chance"] == pytest.approx(
            1 / 9, abs=0.002
        )  # made patches of noise: as far from grey everywhere
        assert mine["patches"] == 12
        assert random["low"] < 1 / 9 < random["high"]  # its map is spread over the patch
        assert found["deletion", method, TRAINED]["less_chance_high"] < 0 or method == "gradcam"
        assert found["random_all", method, TRAINED]["value"] < 0.5
        assert found["random_head", method, TRAINED]["patches"] == 4
        assert (
            found["symmetry", method, TRAINED]["value"] > 0.99
        )  # convolutions of one pixel turn with the patch
    assert found["completeness_gap", "integrated_gradients", TRAINED]["value"] <= 0.01
    assert ("completeness_gap", "gradcam", TRAINED) not in found
    for naive in ("centre_gaussian", "edges"):
        assert found["random_all", naive, NAIVE]["value"] == pytest.approx(
            1
        )  # survives: it is not about the network
        assert found["symmetry", naive, NAIVE]["value"] > 0.99
    assert found["centre_share", "centre_gaussian", NAIVE]["low"] > 0.3
    assert found["sensitivity", "centre_gaussian", NAIVE]["value"] == 0
    assert (
        found["infidelity", "integrated_gradients", TRAINED]["value"]
        < found["infidelity", "edges", NAIVE]["value"]
    )
    assert all(
        row["low"] <= row["value"] <= row["high"] for row in rows if not np.isnan(row["low"])
    )


def test_chance_is_where_the_patch_differs_from_what_it_is_compared_with() -> None:
    x = patches(8, 96)
    x[:, :, 32:64, 32:64] *= 3  # farther from grey than what lies around
    centre = square(32, 96, 96).expand(8, -1, -1)
    cases = Cases(x, torch.arange(8), {"centre": centre}, None, repeated=0)
    e = explainer(centred(), "conv", references=x, baseline="mean")
    rows = measure(
        e, untrained(), "conv", ["integrated_gradients", "saliency"], cases, cell=16, resamples=200
    )
    found = {
        (row["method"], row["network"]): row for row in rows if row["measure"] == "centre_share"
    }
    assert found["saliency", RANDOM]["chance"] == pytest.approx(1 / 9)
    assert found["integrated_gradients", RANDOM]["chance"] == pytest.approx(3 / (3 + 8), abs=0.01)


def test_few_hits_and_misses_are_not_told_from_chance() -> None:
    x = patches(4, 96)
    corner = torch.zeros(4, 96, 96, dtype=torch.bool)
    corner[:, :24, :24] = True  # a sixteenth, where the network does not look
    cases = Cases(x, torch.arange(4), {"centre": corner}, None, repeated=0)
    rows = measure(
        explainer(centred(), "conv"),
        untrained(),
        "conv",
        ["saliency"],
        cases,
        cell=16,
        resamples=100,
    )
    (row,) = (
        row for row in rows if row["measure"] == "centre_pointing" and row["network"] == TRAINED
    )
    assert row["value"] == 0
    assert (
        row["less_chance_low"] < 0 < row["less_chance_high"]
    )  # four misses of what one in sixteen would hit by chance
    for row in rows:
        if row["chance"] is not None and not np.isnan(row["less_chance_low"]):
            assert (
                -1 <= row["less_chance_low"] <= row["less_chance"] <= row["less_chance_high"] <= 1
            )


def test_a_map_of_the_right_places_beats_the_bell_and_an_even_map_says_little() -> None:
    x = patches(8, 96)
    cases = Cases(x, torch.arange(8), {}, None, repeated=8)
    e = explainer(centred(), "conv", references=x, baseline="mean")
    rows = measure(e, untrained(), "conv", ["integrated_gradients"], cases, cell=8, resamples=200)
    found = {(row["measure"], row["method"], row["network"]): row for row in rows}
    mine, bell = (
        found["infidelity", "integrated_gradients", TRAINED],
        found["infidelity", "centre_gaussian", NAIVE],
    )
    assert mine["less_bell"] == pytest.approx(mine["value"] - bell["value"])
    assert mine["less_bell_high"] < 0
    assert "less_bell" not in bell
    removed = faith.removals(e.scorer, x, e.baseline(x), cases.index, 0, 8)
    area, lost = removed.squares.double().sum((2, 3)).numpy(), removed.losses
    scale = np.maximum((area * lost).sum(1) / (area**2).sum(1), 0)[:, None]
    assert mine["chance"] == pytest.approx(
        (((lost - scale * area) ** 2).mean(1) / (lost**2).mean(1)).mean()
    )
    assert mine["chance"] > mine["value"]


def test_nothing_repeated() -> None:
    x = patches(3, 96)
    cases = Cases(x, torch.arange(3), {}, None, repeated=0)
    rows = measure(
        explainer(centred(), "conv"),
        untrained(),
        "conv",
        ["saliency"],
        cases,
        cell=16,
        resamples=50,
    )
    assert {row["measure"] for row in rows} == {"deletion", "insertion"}
