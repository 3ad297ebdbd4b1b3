from pathlib import Path

import numpy as np
import pytest

from pcam.data.splits import by_slide, folds_by_slide, joined_slides, read_split, stratified
from pcam.errors import ConfigError, DataError

RNG = np.random.default_rng(0)
LABELS = (RNG.random(2000) < 0.4).astype(np.uint8)
SLIDES = [f"s{i}" for i in RNG.integers(0, 40, 2000)]


def test_stratified_keeps_the_share_of_each_class() -> None:
    keys = [str(i) for i in range(2000)]
    valid = stratified(LABELS, keys, 0.2, seed=0)
    for value in (0, 1):
        assert abs((LABELS[valid] == value).sum() - 0.2 * (value == LABELS).sum()) < 1
    assert (stratified(LABELS, keys, 0.2, seed=0) == valid).all()
    assert (stratified(LABELS, keys, 0.2, seed=1) != valid).any()


def test_equal_patches_are_never_on_both_sides() -> None:
    keys = np.arange(2000) // 3
    valid = stratified(LABELS, keys, 0.2, seed=0)
    assert not set(keys[valid]) & set(keys[~valid])


def sides(valid: np.ndarray) -> tuple[set[str], set[str]]:
    names = np.asarray(SLIDES)
    return set(names[valid]), set(names[~valid])


def test_by_slide_shares_no_slide_and_comes_near_the_share() -> None:
    valid = by_slide(LABELS, SLIDES, 0.2, seed=0)
    assert not set.intersection(*sides(valid))
    assert abs(valid.mean() - 0.2) < 0.02
    assert abs(LABELS[valid].mean() - LABELS.mean()) < 0.04


def test_folds_hold_every_patch_once_no_slide_twice_and_each_class_evenly() -> None:
    fold = folds_by_slide(LABELS, SLIDES, 5, seed=0)
    assert set(fold) == set(range(5))
    for number in range(5):
        assert not set.intersection(*sides(fold == number))
        assert abs((fold == number).mean() - 0.2) < 0.03
        assert abs(LABELS[fold == number].mean() - LABELS.mean()) < 0.05
    assert (folds_by_slide(LABELS, SLIDES, 5, seed=0) == fold).all()
    assert (folds_by_slide(LABELS, SLIDES, 5, seed=1) != fold).any()
    with pytest.raises(
        ConfigError, match=r"splits\.folds=41; with 40 slides it is a count from 2 to 40"
    ):
        folds_by_slide(LABELS, SLIDES, 41, 0)


def test_slides_that_share_a_patch_move_together() -> None:
    slides = ["a", "a", "b", "b", "c", "d"]
    patches = [0, 1, 2, 3, 1, 5]  # a and c hold the same patch
    number = joined_slides(slides, patches)
    assert number[0] == number[1] == number[4]
    assert len(set(number)) == 3


def test_a_side_without_patches_is_an_error() -> None:
    with pytest.raises(DataError, match="leaves valid without patches"):
        stratified(LABELS[:4], list("abcd"), 0.01, 0)
    with pytest.raises(DataError, match="at least 2 are needed"):
        by_slide(LABELS, ["one"] * 2000, 0.2, 0)
    with pytest.raises(ConfigError, match=r"splits\.share=1\.2 is not between 0 and 1"):
        by_slide(LABELS, SLIDES, 1.2, 0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,split\na,train\n", "columns id and split are needed, there are name, split"),
        ("id,split\nz,train\n", "line 2: no patch has the id z"),
        ("id,split\na,training\n", "line 2: split 'training' is none of train, valid, test"),
        ("id,split\na,train\na,valid\n", "line 3: the id a stands there twice"),
    ],
)
def test_a_bad_split_file_is_named_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(DataError, match=said):
        read_split(tmp_path / "s.csv", ["a", "b"])
