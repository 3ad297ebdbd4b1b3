import numpy as np
import pytest

from pcam.data.splits import by_slide, stratified
from pcam.errors import DataError

RNG = np.random.default_rng(0)
LABELS = (RNG.random(2000) < 0.4).astype(np.uint8)


def test_stratified_keeps_the_share_of_each_class() -> None:
    keys = [str(i) for i in range(2000)]
    train, valid = stratified(LABELS, keys, 0.2, seed=0)
    assert sorted([*train, *valid]) == list(range(2000))
    for value in (0, 1):
        assert abs((LABELS[valid] == value).sum() - 0.2 * (value == LABELS).sum()) < 1
    again = stratified(LABELS, keys, 0.2, seed=0)[1]
    other = stratified(LABELS, keys, 0.2, seed=1)[1]
    assert (again == valid).all()
    assert set(other) != set(valid)


def test_equal_patches_are_never_on_both_sides() -> None:
    keys = [str(i // 3) for i in range(2000)]
    train, valid = stratified(LABELS, keys, 0.2, seed=0)
    assert not {keys[i] for i in train} & {keys[i] for i in valid}


def test_by_slide_shares_no_slide_and_comes_near_the_share() -> None:
    slides = [f"s{i}" for i in RNG.integers(0, 40, 2000)]
    train, valid = by_slide(LABELS, slides, 0.2, seed=0)
    assert not {slides[i] for i in train} & {slides[i] for i in valid}
    assert sorted([*train, *valid]) == list(range(2000))
    assert abs(len(valid) / 2000 - 0.2) < 0.02
    assert abs(LABELS[valid].mean() - LABELS.mean()) < 0.04


def test_a_side_without_patches_is_an_error() -> None:
    with pytest.raises(DataError, match="leaves valid without patches"):
        stratified(LABELS[:4], list("abcd"), 0.01, 0)
    with pytest.raises(DataError, match="at least 2 are needed"):
        by_slide(LABELS, ["one"] * 2000, 0.2, 0)
