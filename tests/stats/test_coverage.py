"""How often the intervals hold the truth, and the tests reject a true null: 500 simulated data sets each.

A share of 5 % of 500 has a standard deviation of 1 %, so that by some seeds what is right leaves 3 to 7 %.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from pcam.stats.compare import delong, paired_difference
from pcam.stats.intervals import bootstrap_metrics

SIMULATIONS = 500
RESAMPLES = 200
SHIFT, SPREAD = 0.5, 0.6  # how slides differ: in what they make of every patch, and of tumour
Simulated = tuple[np.ndarray, np.ndarray, np.ndarray]  # logit, label, slide


def patches(rng: np.random.Generator, apart: float, size: int = 300) -> Simulated:
    """Binormal scores: AUROC is norm.cdf(apart / sqrt(2))."""
    label = (rng.random(size) < 0.4).astype(np.uint8)
    return rng.normal(size=size) + apart * (label - 0.5), label, np.arange(size)


def slides(rng: np.random.Generator, apart: float, count: int, even: bool) -> Simulated:
    """Patches of slides: many or few of each, a part without tumour (unless ``even``), right or wrong together."""
    sizes = rng.poisson(25 * rng.gamma(2, 0.5, count)).clip(5)
    share = (
        np.full(count, 0.5) if even else np.where(rng.random(count) < 0.4, 0, rng.beta(2, 2, count))
    )
    slide = np.repeat(np.arange(count), sizes)
    label = (rng.random(len(slide)) < share[slide]).astype(np.uint8)
    own = rng.normal(size=(2, count))[:, slide]
    return (
        rng.normal(size=len(slide))
        + SHIFT * own[0]
        + (apart + SPREAD * own[1]) * label
        - apart / 2,
        label,
        slide,
    )


def known_auroc(apart: float, slides: bool) -> float:
    return float(norm.cdf(apart / np.sqrt(2 + (2 * SHIFT**2 + SPREAD**2 if slides else 0))))


def held(simulate: Callable[[np.random.Generator], Simulated], truth: float, over: str) -> float:
    inside = 0
    for case in range(SIMULATIONS):
        logit, label, slide = simulate(np.random.default_rng([7, case]))
        groups = list(slide) if over == "slides" else None
        figures = bootstrap_metrics(
            expit(logit), label, groups, metrics=["auroc"], resamples=RESAMPLES, seed=case
        )
        inside += figures["auroc"]["low"] <= truth <= figures["auroc"]["high"]
    return inside / SIMULATIONS


@pytest.mark.parametrize("apart", [1.2, 2.5])
def test_interval_over_patches_holds_the_known_auroc(apart: float) -> None:
    assert (
        0.93 <= held(lambda rng: patches(rng, apart), known_auroc(apart, False), "patches") <= 0.97
    )


@pytest.mark.parametrize(("count", "even"), [(30, False), (30, True), (60, False), (100, False)])
def test_interval_over_slides_holds_the_known_auroc(count: int, even: bool) -> None:
    assert (
        0.93
        <= held(lambda rng: slides(rng, 1.5, count, even), known_auroc(1.5, True), "slides")
        <= 0.97
    )


def test_interval_over_patches_fails_where_slides_correlate() -> None:
    assert held(lambda rng: slides(rng, 1.5, 60, False), known_auroc(1.5, True), "patches") < 0.8


def rivals(case: int, count: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Two networks that see the same and err each in their own way, equally often: a true null."""
    rng = np.random.default_rng([11, case])
    logit, label, slide = patches(rng, 1.5) if count is None else slides(rng, 1.5, count, False)

    def one() -> np.ndarray:
        own = (
            rng.normal(size=(2, slide.max() + 1))[:, slide] if count else np.zeros((2, len(slide)))
        )
        return expit(
            logit + 0.7 * rng.normal(size=len(slide)) + 0.4 * own[0] + 0.4 * own[1] * label
        )

    return one(), one(), label, slide


def p_values(count: int | None) -> Iterator[dict[str, float]]:
    figures = ["auroc", "accuracy"]
    for case in range(SIMULATIONS):
        first, second, label, slide = rivals(case, count)
        groups = list(slide) if count else None
        found = paired_difference(
            first, second, label, groups, metrics=figures, resamples=RESAMPLES, seed=case
        )
        row = {name: figure["p"] for name, figure in found.items()}
        for figure in found.values():
            assert (figure["p"] < 0.05) == (figure["low"] > 0 or figure["high"] < 0)
        yield row if count else row | {"delong": delong(first, second, label)["p"]}


@pytest.mark.parametrize("count", [None, 30, 60])
def test_paired_test_rejects_a_true_null_as_often_as_it_says(count: int | None) -> None:
    rows = list(p_values(count))
    for name in rows[0]:
        rejected = np.mean([row[name] < 0.05 for row in rows])
        assert 0.03 <= rejected <= 0.07, name


def test_paired_test_finds_a_difference_that_two_intervals_would_hide() -> None:
    found = 0
    for case in range(40):
        rng = np.random.default_rng([9, case])
        logit, label, slide = slides(rng, 1.5, 60, False)
        better = expit(logit + 0.15 * (label - 0.5))
        result = paired_difference(
            better, expit(logit), label, list(slide), metrics=["auroc"], resamples=RESAMPLES
        )
        apart = bootstrap_metrics(
            expit(logit), label, list(slide), metrics=["auroc"], resamples=RESAMPLES
        )["auroc"]
        found += (
            result["auroc"]["p"] < 0.001
            and apart["low"] < apart["value"] + result["auroc"]["value"] < apart["high"]
        )
    assert found >= 38


def test_a_test_that_takes_correlated_patches_for_independent_rejects_too_often() -> None:
    rejected = 0
    for case in range(200):
        first, second, label, _ = rivals(case, 60)
        rejected += delong(first, second, label)["p"] < 0.05
    assert rejected / 200 > 0.15
