import numpy as np
import pytest

from pcam.stats.resampling import (
    effective_units,
    effective_units_of_metric,
    resample_weights,
    unit_numbers,
)


def test_whole_slides_are_drawn_for_any_block_size(monkeypatch: pytest.MonkeyPatch) -> None:
    units = unit_numbers(["b", "a", "a", "c", "b"], 5)
    weights = np.concatenate(list(resample_weights(units, 40, 0)))
    assert (weights[:, 0] == weights[:, 4]).all()
    assert (weights[:, 1] == weights[:, 2]).all()
    assert (weights[:, [0, 1, 3]].sum(1) == 3).all()  # three slides in each resample
    monkeypatch.setattr("pcam.stats.resampling.BLOCK_CELLS", 15)
    np.testing.assert_array_equal(np.concatenate(list(resample_weights(units, 40, 0))), weights)


def test_unequal_slides_count_as_fewer() -> None:
    label = np.ones(100, np.uint8)
    equal = np.repeat(np.arange(10), 10)
    unequal = np.array([0] * 91 + list(range(1, 10)))
    assert effective_units(label, equal) == pytest.approx(
        {"positive": 10, "negative": 0, "all": 10}
    )
    assert effective_units(label, unequal)["all"] < 1.3


def test_groups_of_another_length_are_an_error() -> None:
    with pytest.raises(ValueError, match="299 slide names for 300 patches"):
        unit_numbers(["a"] * 299, 300)


def test_each_metric_rests_on_its_class() -> None:
    counts = {"positive": 5.0, "negative": 20.0, "all": 22.0, "predicted_positive": 3.0}
    expected = {"accuracy": 22, "loss": 22, "sensitivity": 5, "specificity": 20, "auroc": 5}
    found = {name: effective_units_of_metric(name, counts) for name in expected}
    assert found == expected
    assert effective_units_of_metric("precision", counts) == 3
