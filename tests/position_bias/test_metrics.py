"""Measurements on networks whose dependence on the position is known."""

import numpy as np
import torch
from torch import nn

from pcam.position_bias.metrics import view_changes, view_logodds
from pcam.position_bias.probe import Probe
from pcam.position_bias.swaps import measure_swaps, swap_regions
from pcam.position_bias.views import View
from pcam.stats.agreement import Change


class Middle(nn.Module):
    """Log-odds by the brightness of the middle of the view: only the position counts."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        rows, columns = (n // 2 for n in image.shape[-2:])
        middle = image[:, :, rows - 4 : rows + 4, columns - 4 : columns + 4]
        return middle.float().mean((1, 2, 3)) / 16 - 8


class Anywhere(nn.Module):
    """Log-odds by the brightest pixel, at any position."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image.float().mean(1).amax((1, 2)) / 16 - 8


class Classifier:
    """What a probe needs of a classifier: its network and where it is."""

    device = torch.device("cpu")

    def __init__(self, network: nn.Module) -> None:
        self.network = self.evaluated = network


def make_probe(network: nn.Module, count: int = 120) -> Probe:
    """Show patches of grey noise, half of them with a bright square in the exact middle."""
    rng = np.random.default_rng(0)
    patches = rng.integers(0, 40, (count, 96, 96, 3), np.uint8)
    labels = (np.arange(count) % 2).astype(np.uint8)
    patches[labels == 1, 40:56, 40:56] = 250
    return Probe(
        model=Classifier(network),  # type: ignore[arg-type]
        patches=patches,
        indices=np.arange(count),
        labels=labels,
        slides=None,
        view=View(96, 96, 64, 16),
        batch_size=50,
        seed=0,
        resamples=200,
    )


def measure(model: nn.Module) -> dict[str, Change]:
    probe = make_probe(model)
    offsets = probe.view.draw_offsets(probe.indices, 0)
    return view_changes(probe, view_logodds(probe, offsets))


def test_only_the_network_that_looks_at_one_position_is_biased() -> None:
    fixed, free = measure(Middle()), measure(Anywhere())
    assert fixed["shift"]["beyond"]["auroc"]["high"] < -0.05
    assert fixed["shift"]["to_negative"]["low"] > 0.2
    assert fixed["shift"]["to_positive"]["value"] == 0
    for name in ("turn", "noise"):  # neither shifts the middle
        assert fixed[name]["agreement"]["value"] == 1
    for name in ("turn", "shift", "shift_turn"):
        assert free[name]["agreement"]["value"] == 1
        auroc = free[name]["beyond"]["auroc"]
        assert auroc["low"] <= 0 <= auroc["high"]


def test_swaps_find_the_region_that_the_prediction_comes_from() -> None:
    probe = make_probe(Middle())
    found = measure_swaps(probe, swap_regions(probe, 32))
    rows = {(row.region, row.given): row for row in found}
    assert len(rows) == 8 + 2
    assert rows["centre", "contrast"].logodds["negative"]["low"] > 10
    assert rows["ring", "contrast"].logodds["negative"]["value"] == 0
    for given in ("negative", "positive", "blurred", "filled"):
        change = rows["ring", given].change
        assert change is not None
        assert change["agreement"]["value"] == 1
    assert rows["centre", "negative"].logodds["positive"]["high"] < -10
    assert rows["centre", "positive"].logodds["negative"]["low"] > 10
    assert abs(rows["centre", "negative"].logodds["negative"]["value"]) < 0.5


def test_a_view_of_the_centre_has_no_ring() -> None:
    probe = make_probe(Middle(), count=4)
    assert swap_regions(probe, 64) == {}
