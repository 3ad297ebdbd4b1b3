"""What is measured of positional bias, on networks whose dependence on place is known by hand."""

import numpy as np
import torch
from torch import nn

from pcam.position_bias.metrics import Probe, answers, changes, parts, swapped
from pcam.position_bias.views import View

DRAWN = {"resamples": 200, "seed": 0}


class Middle(nn.Module):
    """Log-odds by how bright the exact middle of the view is, whatever lies around it; where it lies, alone counts."""

    device = torch.device("cpu")

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        rows, columns = (n // 2 for n in image.shape[-2:])
        return (
            image[:, :, rows - 4 : rows + 4, columns - 4 : columns + 4].float().mean((1, 2, 3)) / 16
            - 8
        )


class Anywhere(nn.Module):
    """Log-odds by the brightest pixel, wherever it lies."""

    device = torch.device("cpu")

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image.float().mean(1).amax((1, 2)) / 16 - 8


def asked(model: nn.Module, count: int = 120) -> Probe:
    """Patches of grey noise, half of them with a bright disc in the exact middle."""
    rng = np.random.default_rng(0)
    patches = rng.integers(0, 40, (count, 96, 96, 3), np.uint8)
    labels = (np.arange(count) % 2).astype(np.uint8)
    patches[labels == 1, 40:56, 40:56] = 250
    view = View(96, 96, 64, 16)
    return Probe(model, patches, np.arange(count), labels, None, view, 50, 0)  # type: ignore[arg-type]


def moved(model: nn.Module) -> dict[str, dict[str, dict[str, float]]]:
    probe = asked(model)
    return changes(probe, answers(probe, probe.view.drawn(probe.indices, 0)), DRAWN)


def test_a_network_that_looks_at_one_place_is_found_and_one_that_looks_anywhere_is_not() -> None:
    fixed, free = moved(Middle()), moved(Anywhere())
    assert fixed["shift"]["beyond"]["auroc"]["high"] < -0.05
    assert fixed["shift"]["to_negative"]["low"] > 0.2
    assert fixed["shift"]["to_positive"]["value"] == 0
    for name in ("turn", "noise"):  # neither moves what lies in the middle
        assert fixed[name]["agreement"]["value"] == 1
    for name in ("turn", "shift", "shift_turn"):
        assert free[name]["agreement"]["value"] == 1
        assert free[name]["beyond"]["auroc"]["low"] <= 0 <= free[name]["beyond"]["auroc"]["high"]


def test_swaps_tell_the_part_that_the_answer_comes_from() -> None:
    probe = asked(Middle())
    rows = {(row["region"], row["given"]): row for row in swapped(probe, parts(probe, 32), DRAWN)}
    assert len(rows) == 8 + 2
    assert rows["centre", "contrast"]["logodds"]["negative"]["low"] > 10
    assert rows["ring", "contrast"]["logodds"]["negative"]["value"] == 0
    for given in ("negative", "positive", "blurred", "filled"):
        assert rows["ring", given]["agreement"]["value"] == 1
    assert rows["centre", "negative"]["logodds"]["positive"]["high"] < -10
    assert rows["centre", "positive"]["logodds"]["negative"]["low"] > 10
    assert abs(rows["centre", "negative"]["logodds"]["negative"]["value"]) < 0.5
