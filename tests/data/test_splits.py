from pathlib import Path

import numpy as np
import pytest

from pcam.data.splits import (
    fold_by_slide,
    join_slides,
    read_split,
    split_by_slide,
    split_stratified,
)
from pcam.errors import ConfigError, DataError

RNG = np.random.default_rng(0)
LABELS = (RNG.random(2000) < 0.4).astype(np.uint8)
SLIDES = [f"s{i}" for i in RNG.integers(0, 40, 2000)]


def test_stratified_keeps_the_share_of_each_class() -> None:
    keys = [str(i) for i in range(2000)]
    valid = split_stratified(LABELS, keys, 0.2, seed=0)
    for value in (0, 1):
        assert abs((LABELS[valid] == value).sum() - 0.2 * (value == LABELS).sum()) < 1
    assert (split_stratified(LABELS, keys, 0.2, seed=0) == valid).all()
    assert (split_stratified(LABELS, keys, 0.2, seed=1) != valid).any()


def test_equal_patches_are_never_in_both_train_and_valid() -> None:
    keys = np.arange(2000) // 3
    valid = split_stratified(LABELS, keys, 0.2, seed=0)
    assert not set(keys[valid]) & set(keys[~valid])


def sides(valid: np.ndarray) -> tuple[set[str], set[str]]:
    names = np.asarray(SLIDES)
    return set(names[valid]), set(names[~valid])


def test_by_slide_no_slide_is_in_both_and_the_share_is_near() -> None:
    valid = split_by_slide(LABELS, SLIDES, 0.2, seed=0)
    assert not set.intersection(*sides(valid))
    assert abs(valid.mean() - 0.2) < 0.02
    assert abs(LABELS[valid].mean() - LABELS.mean()) < 0.04


def test_folds_have_every_patch_once_no_slide_twice_and_each_class_evenly() -> None:
    fold = fold_by_slide(LABELS, SLIDES, 5, seed=0)
    assert set(fold) == set(range(5))
    for number in range(5):
        assert not set.intersection(*sides(fold == number))
        assert abs((fold == number).mean() - 0.2) < 0.03
        assert abs(LABELS[fold == number].mean() - LABELS.mean()) < 0.05
    assert (fold_by_slide(LABELS, SLIDES, 5, seed=0) == fold).all()
    assert (fold_by_slide(LABELS, SLIDES, 5, seed=1) != fold).any()
    with pytest.raises(
        ConfigError, match=r"splits\.folds=41 must be from 2 to 40, the number of slides"
    ):
        fold_by_slide(LABELS, SLIDES, 41, 0)


def test_slides_that_share_a_patch_stay_together() -> None:
    slides = ["a", "a", "b", "b", "c", "d"]
    patches = [0, 1, 2, 3, 1, 5]  # a and c share a patch
    number = join_slides(slides, patches)
    assert number[0] == number[1] == number[4]
    assert len(set(number)) == 3


def test_a_split_without_patches_is_an_error() -> None:
    with pytest.raises(DataError, match="leaves valid without patches"):
        split_stratified(LABELS[:4], list("abcd"), 0.01, 0)
    with pytest.raises(DataError, match="at least 2 are needed"):
        split_by_slide(LABELS, ["one"] * 2000, 0.2, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,split\na,train\n", "columns id and split are needed, found name, split"),
        ("id,split\nz,train\n", "line 2: no patch has the id z"),
        ("id,split\na,training\n", "line 2: split 'training' is not one of train, valid, test"),
        ("id,split\na,train\na,valid\n", "line 3: the id a is listed twice"),
    ],
)
def test_a_bad_split_file_is_named_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_split(tmp_path / "s.csv", ["a", "b"])
