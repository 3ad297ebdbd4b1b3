import warnings

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, logit

from pcam.stats.intervals import bootstrap_mean, bootstrap_metrics, interval_limits
from pcam.stats.metrics import METRICS


def sample(size: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[str]]:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, size).astype(np.uint8)
    return (
        1 / (1 + np.exp(-rng.normal(size=size) - label)),
        label,
        [f"slide{n:02}" for n in rng.integers(0, 12, size)],
    )


def test_intervals_are_repeatable_and_surround_the_value() -> None:
    score, label, slides = sample()
    first, second = (
        bootstrap_metrics(score, label, slides, means={"loss": score}, seed=3) for _ in range(2)
    )
    assert first == second
    assert set(first) == {"loss", *METRICS}
    assert all(f["low"] < f["value"] < f["high"] for name, f in first.items() if name != "ece")
    assert first["loss"]["value"] == pytest.approx(score.mean())


def test_the_order_of_patches_does_not_matter() -> None:
    score, label, slides = sample()
    order = np.random.default_rng(1).permutation(len(label))
    first = bootstrap_metrics(score, label, slides, resamples=50)
    second = bootstrap_metrics(score[order], label[order], [slides[i] for i in order], resamples=50)
    for name in METRICS:
        assert first[name] == pytest.approx(second[name], abs=1e-9)


def test_the_interval_widens_where_patches_repeat_within_slides() -> None:
    score, label, _ = sample(60)
    score, label = np.repeat(score, 20), np.repeat(label, 20)
    groups = [str(n) for n in np.repeat(np.arange(60), 20)]
    narrow, wide = (
        bootstrap_metrics(score, label, g, resamples=300)["auroc"] for g in (None, groups)
    )
    assert wide["high"] - wide["low"] > 3.5 * (
        narrow["high"] - narrow["low"]
    )  # sqrt(20) without the patches' t


def test_a_perfect_metric_of_few_patches_has_an_interval() -> None:
    label = np.arange(20).astype(np.uint8) % 2
    found = bootstrap_metrics(label * 0.8 + 0.1, label, resamples=100)
    for name in ("auroc", "accuracy", "sensitivity"):
        assert found[name]["value"] == found[name]["high"] == 1
        assert 0.6 < found[name]["low"] < 0.9


def test_one_slide_has_no_interval() -> None:
    score, label, _ = sample(40)
    found = bootstrap_metrics(score, label, ["one"] * 40, resamples=50)
    assert all(
        not np.isnan(f["value"]) and np.isnan(f["low"]) and np.isnan(f["high"])
        for f in found.values()
    )


def test_tumour_on_one_slide_only_has_no_interval_of_its_metrics() -> None:
    score, label, slides = sample(200)
    label = np.array([slide == "slide03" for slide in slides], np.uint8)
    found = bootstrap_metrics(score, label, slides, resamples=50)
    unknown = {"auroc", "average_precision", "balanced_accuracy", "f1", "precision", "sensitivity"}
    assert {name for name, figure in found.items() if np.isnan(figure["low"])} == unknown


@pytest.mark.parametrize("groups", [None, list("aaaaabbbbccc")])
@pytest.mark.parametrize("value", [0, 1])
def test_one_class_only_gives_no_warning(groups: list[str] | None, value: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = bootstrap_metrics(
            np.linspace(0, 1, 12), np.full(12, value, np.uint8), groups, resamples=30
        )
    assert np.isnan([found["auroc"][key] for key in ("value", "low", "high")]).all()
    assert 0 < found["accuracy"]["low"] < found["accuracy"]["value"] < found["accuracy"]["high"] < 1


def test_threshold_level_and_metrics_are_applied() -> None:
    score, label, _ = sample()
    wide, narrow = (
        bootstrap_metrics(
            score, label, metrics=["sensitivity"], threshold=0.7, resamples=200, level=level
        )["sensitivity"]
        for level in (0.95, 0.5)
    )
    assert wide["value"] == pytest.approx((score[label == 1] >= 0.7).mean())
    assert wide["low"] < narrow["low"] < narrow["high"] < wide["high"]


def test_limits_on_each_scale_equal_their_definition() -> None:
    resampled = np.random.default_rng(0).normal(0.82, 0.05, 500)
    reach = stats.t.ppf(0.975, 4) * resampled.std(ddof=1) * np.sqrt(5 / 4)
    ends = np.array([-reach, reach])
    assert interval_limits(0.8, resampled, 5, 0.95) == pytest.approx(
        tuple(expit(logit(0.8) + ends / (0.8 * 0.2)))
    )
    assert interval_limits(0.8, resampled, 5, 0.95, "log") == pytest.approx(
        tuple(np.exp(np.log(0.8) + ends / 0.8))
    )
    low, high = interval_limits(0.8, resampled, 5, 0.5, "biased")
    reach *= stats.t.ppf(0.75, 4) / stats.t.ppf(0.975, 4)
    assert (low, high) == pytest.approx(
        (1.6 - resampled.mean() - reach, max(0.8, 1.6 - resampled.mean() + reach))
    )


def test_limits_need_two_units_and_half_of_the_resamples() -> None:
    resampled = np.array([0.7, 0.8, 0.9, np.nan, np.nan, np.nan])
    assert not np.isnan(interval_limits(0.8, resampled, 3, 0.95)).any()
    assert np.isnan(interval_limits(0.8, resampled, 1, 0.95)).all()
    assert np.isnan(interval_limits(0.8, np.append(resampled, np.nan), 3, 0.95)).all()


def test_precision_rests_on_the_patches_predicted_positive() -> None:
    label = np.repeat(np.array([0, 1], np.uint8), 500)
    probability = np.where(
        np.arange(1000) < 16, 0.9, 0.1
    )  # only 16 negatives are predicted positive
    found = bootstrap_metrics(probability, label, metrics=["precision"], resamples=200)["precision"]
    assert found["value"] == found["low"] == 0
    assert 0.15 < found["high"] < 0.3  # Wilson's for 0 of 16 is 0.194, of 500 it would be 0.008


def test_the_mean_of_a_value_per_patch() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(3, 2, 400)
    found = bootstrap_mean(values)
    error = values.std(ddof=1) / 20
    assert found["value"] == pytest.approx(values.mean())
    assert found["high"] - found["value"] == pytest.approx(
        1.966 * error, rel=0.06
    )  # Student's t with 399 degrees of freedom
    holes = np.where(np.arange(500) < 100, np.nan, np.concatenate([np.zeros(100), values]))
    assert bootstrap_mean(holes) == found
    assert bootstrap_mean(np.full(3, np.nan))["patches"] == 0
    share = bootstrap_mean(np.full(30, 1.0), bounded=True)
    assert (share["value"], share["high"]) == (1, 1)
    assert 0.8 < share["low"] < 1


@pytest.mark.slow
def test_the_mean_over_slides_is_less_certain_than_over_patches() -> None:
    rng = np.random.default_rng(1)
    covered = {"slides": 0, "patches": 0}
    groups = [f"slide-{i // 10}" for i in range(200)]
    for seed in range(200):
        values = np.repeat(rng.normal(size=20), 10) + rng.normal(0, 0.3, 200)
        for name, over in (("slides", groups), ("patches", None)):
            found = bootstrap_mean(values, over, resamples=200, seed=seed)
            covered[name] += found["low"] <= 0 <= found["high"]
    assert 0.90 <= covered["slides"] / 200 <= 0.985
    assert covered["patches"] / 200 < 0.6
