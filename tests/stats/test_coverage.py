"""How often intervals contain the truth and tests reject a true null hypothesis, by simulation.

Each simulation has 500 data sets. A share of 5 % of 500 has a standard deviation of 1 %, so correct
intervals can give 3 to 7 % with some seeds.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from pcam.stats.compare import delong, paired_difference
from pcam.stats.intervals import bootstrap_metrics

pytestmark = pytest.mark.slow

SIMULATIONS = 500
RESAMPLES = 200
SHIFT, SPREAD = 0.5, 0.6  # how slides differ: in the scores of all patches, and of tumour
Simulated = tuple[np.ndarray, np.ndarray, np.ndarray]  # logit, label, slide


def independent_patches(rng: np.random.Generator, distance: float, size: int = 300) -> Simulated:
    """Binormal scores: their AUROC is norm.cdf(distance / sqrt(2))."""
    label = (rng.random(size) < 0.4).astype(np.uint8)
    return rng.normal(size=size) + distance * (label - 0.5), label, np.arange(size)


def slides(rng: np.random.Generator, distance: float, count: int, even: bool) -> Simulated:
    """Patches of slides of different size, whose scores are too high or too low together.

    Unless ``even``, some slides are without tumour.
    """
    sizes = rng.poisson(25 * rng.gamma(2, 0.5, count)).clip(5)
    share = np.full(count, 0.5)
    if not even:
        share = np.where(rng.random(count) < 0.4, 0, rng.beta(2, 2, count))
    slide = np.repeat(np.arange(count), sizes)
    label = (rng.random(len(slide)) < share[slide]).astype(np.uint8)
    shift, spread = rng.normal(size=(2, count))[:, slide]
    noise = rng.normal(size=len(slide))
    logit = noise + SHIFT * shift + (distance + SPREAD * spread) * label - distance / 2
    return logit, label, slide


def known_auroc(distance: float, slides: bool) -> float:
    variance = 2 + (2 * SHIFT**2 + SPREAD**2 if slides else 0)
    return float(norm.cdf(distance / np.sqrt(variance)))


def coverage(
    simulate: Callable[[np.random.Generator], Simulated], truth: float, unit: str
) -> float:
    """Return the share of intervals that contain the true AUROC."""
    inside = 0
    for case in range(SIMULATIONS):
        logit, label, slide = simulate(np.random.default_rng([7, case]))
        groups = list(slide) if unit == "slides" else None
        auroc = bootstrap_metrics(
            expit(logit), label, groups, metrics=["auroc"], resamples=RESAMPLES, seed=case
        )["auroc"]
        inside += auroc["low"] <= truth <= auroc["high"]
    return inside / SIMULATIONS


@pytest.mark.parametrize("distance", [1.2, 2.5])
def test_interval_over_patches_contains_the_known_auroc(distance: float) -> None:
    truth = known_auroc(distance, slides=False)
    share = coverage(lambda rng: independent_patches(rng, distance), truth, "patches")
    assert 0.93 <= share <= 0.97


@pytest.mark.parametrize(("count", "even"), [(30, False), (30, True), (60, False), (100, False)])
def test_interval_over_slides_contains_the_known_auroc(count: int, even: bool) -> None:
    truth = known_auroc(1.5, slides=True)
    share = coverage(lambda rng: slides(rng, 1.5, count, even), truth, "slides")
    assert 0.93 <= share <= 0.97


def test_interval_over_patches_is_too_narrow_if_slides_correlate() -> None:
    truth = known_auroc(1.5, slides=True)
    assert coverage(lambda rng: slides(rng, 1.5, 60, False), truth, "patches") < 0.8


def rivals(case: int, count: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Two networks with the same true performance and different errors."""
    rng = np.random.default_rng([11, case])
    if count is None:
        logit, label, slide = independent_patches(rng, 1.5)
    else:
        logit, label, slide = slides(rng, 1.5, count, False)

    def one_network() -> np.ndarray:
        by_slide = np.zeros((2, len(slide)))
        if count:
            by_slide = rng.normal(size=(2, slide.max() + 1))[:, slide]
        noise = 0.7 * rng.normal(size=len(slide))
        return expit(logit + noise + 0.4 * by_slide[0] + 0.4 * by_slide[1] * label)

    return one_network(), one_network(), label, slide


def p_values(count: int | None) -> Iterator[dict[str, float]]:
    """Yield p of each metric, and of DeLong's test over patches, for each simulated data set."""
    for case in range(SIMULATIONS):
        first, second, label, slide = rivals(case, count)
        found = paired_difference(
            first,
            second,
            label,
            list(slide) if count else None,
            metrics=["auroc", "accuracy"],
            resamples=RESAMPLES,
            seed=case,
        )
        for difference in found.values():
            excludes_zero = difference["low"] > 0 or difference["high"] < 0
            assert (difference["p"] < 0.05) == excludes_zero
        row = {name: difference["p"] for name, difference in found.items()}
        if count is None:
            row["delong"] = delong(first, second, label)["p"]
        yield row


@pytest.mark.parametrize("count", [None, 30, 60])
def test_paired_test_rejects_a_true_null_at_its_level(count: int | None) -> None:
    rows = list(p_values(count))
    for name in rows[0]:
        rejected = np.mean([row[name] < 0.05 for row in rows])
        assert 0.03 <= rejected <= 0.07, name


def test_paired_test_finds_a_difference_that_two_intervals_would_hide() -> None:
    options = {"metrics": ["auroc"], "resamples": RESAMPLES}
    found = 0
    for case in range(40):
        rng = np.random.default_rng([9, case])
        logit, label, slide = slides(rng, 1.5, 60, False)
        groups, better = list(slide), expit(logit + 0.15 * (label - 0.5))
        difference = paired_difference(better, expit(logit), label, groups, **options)["auroc"]
        alone = bootstrap_metrics(expit(logit), label, groups, **options)["auroc"]
        better_auroc = alone["value"] + difference["value"]
        inside = alone["low"] < better_auroc < alone["high"]
        found += difference["p"] < 0.001 and inside
    assert found >= 38


def test_a_test_that_ignores_slides_rejects_a_true_null_too_often() -> None:
    rejected = 0
    for case in range(200):
        first, second, label, _ = rivals(case, 60)
        rejected += delong(first, second, label)["p"] < 0.05
    assert rejected / 200 > 0.15
