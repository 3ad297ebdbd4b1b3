"""How much of the slide is in features: closed forms, and which patches count."""

import numpy as np
import pytest

from pcam.probing.slides import (
    LEAST_PATCHES,
    MOST_PATCHES,
    SlidePatches,
    balanced_accuracy,
    choose_slide_patches,
    predict_slides,
)
from pcam.stats.intervals import Interval


def measure(features: np.ndarray, groups: list[str]) -> tuple[Interval, SlidePatches]:
    """Return the balanced accuracy of a slide probe, and its patches."""
    patches = choose_slide_patches(groups, seed=0)
    assert isinstance(patches, SlidePatches)
    predicted = predict_slides(features.astype(np.float32)[patches.rows], patches.slide)
    return balanced_accuracy(predicted, patches.slide, resamples=500, seed=0), patches


GROUPS = [f"slide {number % 5}" for number in range(300)]


def test_features_that_name_the_slide_predict_it_always() -> None:
    features = np.eye(5)[np.arange(300) % 5]
    interval, patches = measure(features, GROUPS)
    assert interval["value"] == 1
    assert 0.95 < interval["low"] < interval["high"] == 1
    assert patches.chance == pytest.approx(1 / 5)
    assert patches.text == "chance 0.2000, 5 slides"


def test_features_that_know_nothing_of_the_slide_are_at_chance() -> None:
    features = np.random.default_rng(0).normal(size=(300, 20))
    interval, _ = measure(features, GROUPS)
    assert interval["low"] < 1 / 5 < interval["high"]
    assert interval["high"] - interval["low"] < 0.15


def test_large_slides_do_not_outweigh_small_ones() -> None:
    """A probe that always names the largest slide is at chance."""
    slide = np.repeat([0, 1, 2], [80, 10, 10])
    interval = balanced_accuracy(np.zeros(100, np.int64), slide, resamples=500, seed=0)
    assert interval["value"] == pytest.approx(1 / 3)


def test_the_interval_is_that_of_a_mean_of_shares() -> None:
    slide = np.repeat([0, 1], [400, 100])
    right = np.concatenate([np.arange(400) < 300, np.arange(100) < 50])  # 3/4 and 1/2
    predicted = np.where(right, slide, 1 - slide)
    interval = balanced_accuracy(predicted, slide, resamples=20_000, seed=0)
    error = np.sqrt(0.75 * 0.25 / 400 + 0.5 * 0.5 / 100) / 2
    assert interval["value"] == pytest.approx(0.625)
    assert interval["high"] - interval["low"] == pytest.approx(2 * 1.97 * error, rel=0.03)


def test_small_slides_are_left_out_and_of_large_ones_a_part_is_drawn() -> None:
    groups = ["small"] * (LEAST_PATCHES - 1) + ["least"] * LEAST_PATCHES
    groups += ["large"] * (MOST_PATCHES + 50)
    patches = choose_slide_patches(groups, seed=0)
    assert isinstance(patches, SlidePatches)
    assert patches.names == ["large", "least"]
    assert np.bincount(patches.slide).tolist() == [MOST_PATCHES, LEAST_PATCHES]
    assert len(set(patches.rows)) == MOST_PATCHES + LEAST_PATCHES
    for row, slide in zip(patches.rows, patches.slide, strict=True):
        assert groups[row] == patches.names[slide]
    other = choose_slide_patches(groups, seed=1)
    assert isinstance(other, SlidePatches)
    assert set(other.rows) != set(patches.rows)


@pytest.mark.parametrize(
    ("groups", "reason"),
    [
        (None, "slides unknown"),
        (["a"] * 50, "fewer than two slides have 10 patches"),
        (["a"] * 50 + ["b"] * 9, "fewer than two slides have 10 patches"),
    ],
)
def test_why_there_is_no_slide_probe(groups: list[str] | None, reason: str) -> None:
    assert choose_slide_patches(groups, seed=0) == reason
