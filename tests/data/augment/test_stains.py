"""Stains: amounts that are scaled and shifted, and what stays as it is."""

import numpy as np
import pytest
import torch

from pcam.data.augment.batched import BatchedAugmentation
from pcam.data.augment.recipes import StainConfig
from pcam.data.augment.stains import STAINS, change_stains

NO_JITTER = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}


def colour_of(amounts: list[float]) -> torch.Tensor:
    """Return one pixel (1, 3, 1, 1) of a tissue with amounts of the three stains."""
    light = 255 * np.exp(-np.array(amounts) @ STAINS)
    return torch.from_numpy(np.rint(light).astype(np.uint8)).view(1, 3, 1, 1)


@pytest.mark.parametrize("stain", [0, 1, 2])
def test_a_stain_s_amount_is_scaled_and_shifted_and_the_others_stay(stain: int) -> None:
    amounts = [0.5, 0.4, 0.1]
    factors, shifts = np.ones((1, 3)), np.zeros((1, 3))
    factors[0, stain], shifts[0, stain] = 1.4, 0.1
    changed = change_stains(colour_of(amounts), factors, shifts)
    expected = amounts[:]
    expected[stain] = 1.4 * amounts[stain] + 0.1
    assert (changed.int() - colour_of(expected).int()).abs().max() <= 2  # rounded twice


def test_white_stays_white_and_black_stays_black_without_a_shift() -> None:
    ends = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 4, 4)
    factors = np.array([[1.5, 0.6, 1.2]] * 2)
    changed = change_stains(ends, factors, np.zeros((2, 3)))
    assert (changed[1] == 255).all()
    assert changed[0].max() <= 25  # the densest that eight bits show


def test_nothing_changes_without_strength() -> None:
    settings = StainConfig(stain_scale=0.0, stain_shift=0.0, **NO_JITTER)
    values = torch.arange(256, dtype=torch.uint8)
    images = torch.stack([values, values.flip(0), values.roll(80)]).view(1, 3, 16, 16)
    augmentation = BatchedAugmentation(settings, 0, 1)
    draws = augmentation.draws(np.array([0]), 0)
    assert draws.stains is not None
    changed = change_stains(images, draws.stains[:, 0], draws.stains[:, 1])
    assert (changed.int() - images.int()).abs().max() <= 1  # 0 and 1 have the same density
