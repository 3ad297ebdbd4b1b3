import warnings

import numpy as np
import pytest
from scipy import stats

from pcam.stats.seeds import over_seeds, paired_t, welch


def test_welch_equals_scipy() -> None:
    first, second = [0.91, 0.93, 0.92, 0.95, 0.9], [0.88, 0.9, 0.91]
    theirs = stats.ttest_ind(first, second, equal_var=False)
    found = welch(first, second)
    assert found["p"] == pytest.approx(theirs.pvalue)
    assert found["freedom"] == pytest.approx(theirs.df)
    assert (found["low"], found["high"]) == pytest.approx(tuple(theirs.confidence_interval()))
    assert over_seeds(first) == pytest.approx(
        {"mean": np.mean(first), "sd": np.std(first, ddof=1), "runs": 5}
    )


def test_one_run_per_group_has_a_difference_without_p() -> None:
    found = welch([0.9], [0.8, 0.7])
    assert found["value"] == pytest.approx(0.15)
    assert all(np.isnan(found[key]) for key in ("low", "high", "p", "freedom"))
    assert np.isnan(over_seeds([0.9])["sd"])
    assert welch([0.9, 0.9], [0.9, 0.9])["p"] == 1


def test_paired_t_equals_its_definition() -> None:
    differences = np.array([0.01, 0.03, -0.005, 0.02])
    error = differences.std(ddof=1) / 2
    reach = stats.t.ppf(0.975, 3) * error
    found = paired_t(list(differences))
    assert found["value"] == pytest.approx(differences.mean())
    assert found["low"] == pytest.approx(differences.mean() - reach)
    assert found["high"] == pytest.approx(differences.mean() + reach)
    assert found["p"] == pytest.approx(2 * stats.t.sf(differences.mean() / error, 3))


def test_paired_t_of_few_or_constant_differences() -> None:
    assert np.isnan(paired_t([])["value"])
    assert paired_t([0.2])["value"] == 0.2
    assert np.isnan(paired_t([0.2])["p"])
    assert paired_t([0.5, 0.5]) == {"value": 0.5, "low": 0.5, "high": 0.5, "p": 0}
    assert paired_t([0.0, 0.0])["p"] == 1


def test_welch_of_one_constant_group_gives_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = welch([0.9, 0.9, 0.9], [0.8, 0.85, 0.7])
    assert 0 < found["p"] < 1
