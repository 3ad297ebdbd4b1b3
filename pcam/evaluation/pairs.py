"""Tests of the difference between two networks on the same patches."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from pcam.evaluation.alignment import AlignedPredictions
from pcam.stats.compare import delong, holm, mcnemar, paired_difference

COMPARED_METRICS = ("auroc", "accuracy")
OVER_PATCHES = ("delong", "mcnemar")  # tests that treat patches as independent
Test = dict[str, float]


@dataclass(frozen=True)
class TestedPair:
    """The difference of two networks, or of two groups of them, by several tests.

    Attributes:
        first: name of one.
        second: name of the other.
        tests: "auroc" and "accuracy" (value: first minus second), and for patches without slides
            "delong" and "mcnemar"; each with "p", and "p_holm" corrected for the number of pairs.
        mcnemar_method: "exact" or "chi-square"; None without this test.
    """

    first: str
    second: str
    tests: dict[str, Test]
    mcnemar_method: str | None = None


def compare_pairs(
    found: AlignedPredictions, against: int | None, resamples: int, seed: int
) -> list[TestedPair]:
    """Test all pairs, or all networks against one, and correct p for the number of pairs.

    Args:
        found: the labelled predictions of all networks.
        against: position from 1 of the network to compare all others with; None for all pairs.
        resamples: number of bootstrap resamples.
        seed: of the bootstrap.
    """
    pairs = []
    for first, second in _pair_positions(len(found.names), against):
        pairs.append(_compare_pair(found, first, second, resamples, seed))
    for name in (*COMPARED_METRICS, *OVER_PATCHES):
        correct_p_values(pairs, name)
    return pairs


def _pair_positions(count: int, against: int | None) -> list[tuple[int, int]]:
    """Return the pairs to test.

    Args:
        count: number of networks.
        against: position from 1 of the network to compare all others with; None for all pairs.

    Returns:
        Positions of both networks, from 0.
    """
    if against is None:
        return list(combinations(range(count), 2))
    reference = against - 1
    return [(i, reference) for i in range(count) if i != reference]


def _compare_pair(
    found: AlignedPredictions, first: int, second: int, resamples: int, seed: int
) -> TestedPair:
    """Test the difference between two networks.

    DeLong's and McNemar's tests assume independent patches, so they are left out if slides are
    known.

    Args:
        found: the labelled predictions of all networks.
        first: position of one network, from 0.
        second: position of the other.
        resamples: number of bootstrap resamples.
        seed: of the bootstrap.
    """
    one, other = found.logit[first], found.logit[second]
    assert found.label is not None
    tests = paired_difference(
        one,
        other,
        found.label,
        found.slides,
        log_odds=True,
        metrics=COMPARED_METRICS,
        resamples=resamples,
        seed=seed,
    )
    names = found.names[first], found.names[second]
    if found.slides is not None:
        return TestedPair(*names, tests)
    tests["delong"] = delong(one, other, found.label)
    counted = mcnemar(one >= 0, other >= 0, found.label)
    numbers = {key: value for key, value in counted.items() if not isinstance(value, str)}
    tests["mcnemar"] = numbers
    return TestedPair(*names, tests, str(counted["method"]))


def correct_p_values(pairs: Sequence[TestedPair], name: str) -> None:
    """Add "p_holm" to one test of every pair: p corrected for the number of pairs."""
    add_corrected_p([pair.tests[name] for pair in pairs if name in pair.tests])


def add_corrected_p(tests: Sequence[Test]) -> None:
    """Add "p_holm" to tests.

    Args:
        tests: each with its "p", which is corrected for their number.
    """
    corrected = holm([test["p"] for test in tests])
    for test, p in zip(tests, corrected, strict=True):
        test["p_holm"] = p
