import numpy as np
import pytest
from scipy import stats

from pcam.stats.compare import delong, holm, mcnemar, paired_difference
from pcam.stats.metrics import classification_metrics


def rivals(
    size: int = 200, seed: int = 0, digits: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, size).astype(np.uint8)
    seen = label + rng.normal(size=size)
    return *(
        np.round(1 / (1 + np.exp(-seen - rng.normal(size=size))), digits) for _ in range(2)
    ), label


def test_differences_use_the_threshold_of_each_classifier() -> None:
    first, second, label = rivals()
    found = paired_difference(first, second, label, thresholds=(0.3, 0.6), resamples=20)
    one, other = (
        classification_metrics(first, label, 0.3),
        classification_metrics(second, label, 0.6),
    )
    for name, figure in found.items():
        assert figure["value"] == pytest.approx(one[name] - other[name])
        assert figure["low"] <= figure["value"] <= figure["high"]


def test_a_network_does_not_differ_from_itself() -> None:
    first, _, label = rivals()
    assert all(
        f == {"value": 0, "low": 0, "high": 0, "p": 1}
        for f in paired_difference(first, first, label).values()
    )
    assert delong(first, first, label)["p"] == 1
    assert mcnemar(first > 0.5, first > 0.5, label) == {
        "first_only": 0,
        "second_only": 0,
        "p": 1.0,
        "method": "exact",
    }


def test_exchanging_the_two_changes_only_the_sign() -> None:
    first, second, label = rivals()
    slides = [str(n % 17) for n in range(len(label))]
    one = paired_difference(first, second, label, slides, metrics=["auroc"], resamples=100)["auroc"]
    other = paired_difference(second, first, label, slides, metrics=["auroc"], resamples=100)[
        "auroc"
    ]
    assert other == pytest.approx(
        {"value": -one["value"], "low": -one["high"], "high": -one["low"], "p": one["p"]}
    )


def test_one_slide_or_one_class_has_no_p() -> None:
    first, second, label = rivals()
    assert np.isnan(
        paired_difference(first, second, label, ["one"] * len(label), resamples=20)["accuracy"]["p"]
    )
    assert np.isnan(
        paired_difference(first, second, np.ones_like(label), resamples=20)["auroc"]["p"]
    )
    assert np.isnan(delong(first, second, np.ones_like(label))["p"])


@pytest.mark.parametrize("digits", [1, 6])
def test_delong_equals_its_definition_pair_by_pair(digits: int) -> None:
    first, second, label = rivals(digits=digits)
    placements = []
    for score in (first, second):
        higher = score[label == 1][:, None] - score[label == 0][None]
        kernel = (higher > 0) + 0.5 * (higher == 0)
        placements.append((kernel.mean(1), kernel.mean(0)))
    m, n = (label == 1).sum(), (label == 0).sum()
    covariance = np.cov([p[0] for p in placements]) / m + np.cov([p[1] for p in placements]) / n
    value = placements[0][0].mean() - placements[1][0].mean()
    error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    found = delong(first, second, label)
    assert found["first"] == pytest.approx(classification_metrics(first, label)["auroc"], abs=1e-12)
    assert found["second"] == pytest.approx(
        classification_metrics(second, label)["auroc"], abs=1e-12
    )
    assert found["value"] == pytest.approx(value, abs=1e-12)
    assert found["p"] == pytest.approx(2 * stats.norm.sf(abs(value) / error), abs=1e-9)
    assert found["high"] - found["low"] == pytest.approx(2 * 1.959964 * error, rel=1e-6)


def test_delong_and_the_bootstrap_agree() -> None:
    first, second, label = rivals(2000)
    exact, drawn = (
        delong(first, second, label),
        paired_difference(first, second, label, metrics=["auroc"])["auroc"],
    )
    assert drawn["high"] - drawn["low"] == pytest.approx(exact["high"] - exact["low"], rel=0.06)


def predictions(first_only: int, second_only: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    label = np.arange(300).astype(np.uint8) % 2
    wrong = np.arange(300)
    first, second = (label == 1).copy(), (label == 1).copy()
    first[wrong[:second_only]] ^= True
    second[wrong[second_only : second_only + first_only]] ^= True
    first[290:] ^= True  # both wrong: does not count
    second[290:] ^= True
    return first, second, label


def test_mcnemar_is_exact_for_few_discordant_patches() -> None:
    found = mcnemar(*predictions(9, 2))
    assert (found["first_only"], found["second_only"], found["method"]) == (9, 2, "exact")
    assert found["p"] == pytest.approx(2 * (1 + 11 + 55) / 2**11)


def test_mcnemar_is_chi_square_for_many() -> None:
    found = mcnemar(*predictions(40, 20))
    assert found["method"] == "chi-square"
    assert found["p"] == pytest.approx(2 * stats.norm.sf(20 / np.sqrt(60)))


def test_holm_equals_its_definition() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == pytest.approx([1, 1])
    assert holm([0.04, float("nan"), 0.03]) == pytest.approx(
        [0.06, float("nan"), 0.06], nan_ok=True
    )
    assert holm([]) == []


def test_several_runs_are_compared_by_their_means() -> None:
    rng = np.random.default_rng(3)
    label = (np.arange(300) % 2).astype(np.uint8)
    score = rng.normal(label[None] * np.array([[1.0], [1.2], [0.8], [0.5]]), 1.0)
    both = paired_difference(score[:2], score[2:], label, metrics=("auroc",), resamples=200)[
        "auroc"
    ]
    each = [
        paired_difference(score[i], score[i + 2], label, metrics=("auroc",), resamples=200)["auroc"]
        for i in (0, 1)
    ]
    assert both["value"] == pytest.approx(np.mean([one["value"] for one in each]))
    assert both["high"] - both["low"] < max(
        one["high"] - one["low"] for one in each
    )  # their errors are in part their own
    same = paired_difference(score[:1], score[2], label, metrics=("auroc",), resamples=200)["auroc"]
    assert same == each[0]
