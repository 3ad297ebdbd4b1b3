"""The order of epochs and runs: AUROC, then loss, then time."""

import math

import pytest

from pcam.runs.ranking import rank, rank_summary
from tests.run import summary_with


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ((0.9, 5.0, 0), (0.8, 0.1, 9)),  # AUROC decides
        ((1.0, 0.1, 0), (1.0, 0.2, 9)),  # of equal ones the loss
        ((1.0, 0.1, 3), (1.0, 0.1, 2)),  # of equal ones the later epoch
        ((0.1, 9.0, 0), (math.nan, 0.1, 1)),  # not defined is worse than any
        ((None, 0.1, 0), (math.nan, 0.2, 1)),  # neither defined: the loss decides
        ((0.5, 9.0, 0), (0.5, math.nan, 1)),
        ((0.5, 9.0, 0), (0.5, None, 1)),
    ],
)
def test_the_better_result_ranks_higher(
    better: tuple[float | None, float | None, int], worse: tuple[float | None, float | None, int]
) -> None:
    assert rank(*better) > rank(*worse)


def test_the_rank_of_a_run_is_that_of_its_summary() -> None:
    summary = summary_with(1.0, best_epoch=4)
    summary["valid"]["nll"] = {"value": 0.25}
    summary["valid"]["loss"] = {"value": 0.1}  # of its training; another loss has another scale
    assert rank_summary(summary) == (1.0, -0.25, 4)
