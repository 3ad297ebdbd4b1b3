import numpy as np
import pytest

from pcam.data.base import (
    Concatenated,
    MaskedPatchSource,
    Subset,
    concatenate,
    describe_source,
    subset,
    validate_labels,
)
from pcam.data.limit import limit_source
from pcam.data.randomness import Purpose, draw
from pcam.data.sources.synthetic.source import SyntheticSource
from pcam.errors import DataError

TRAIN, VALID = SyntheticSource("train", 12), SyntheticSource("valid", 8)


class Unlabelled:
    """Small patches without labels, slides or masks."""

    labels = None
    groups = None

    def __init__(self, side: int) -> None:
        self.ids = ["a", "b"]
        self._side = side

    def __len__(self) -> int:
        return 2

    def read(self, indices: np.ndarray) -> np.ndarray:
        return np.zeros((len(indices), self._side, self._side, 3), np.uint8)


def test_joined_sources_are_read_in_any_order() -> None:
    joined = concatenate([TRAIN, VALID])
    assert isinstance(joined, MaskedPatchSource)
    order = np.array([15, 0, 12, 11])
    patches, masks = joined.read(order), joined.masks(order)
    for row, (source, index) in enumerate(((VALID, 3), (TRAIN, 0), (VALID, 0), (TRAIN, 11))):
        assert (patches[row] == source.read(np.array([index]))[0]).all()
        assert (masks[row] == source.masks(np.array([index]))[0]).all()
        assert joined.ids[order[row]] == source.ids[index]
        assert joined.labels[order[row]] == source.labels[index]


def test_joined_sources_know_what_all_of_them_know() -> None:
    joined = concatenate([TRAIN, Unlabelled(96)])
    assert joined.labels is None
    assert joined.groups is None
    assert not isinstance(joined, MaskedPatchSource)


def test_patches_of_different_sizes_cannot_be_read_together() -> None:
    joined = Concatenated([TRAIN, Unlabelled(64)])
    with pytest.raises(DataError, match=r"different sizes \(\(64, 64, 3\), \(96, 96, 3\)\)"):
        joined.read(np.array([0, 12]))


def test_a_subset_knows_what_the_whole_knows() -> None:
    assert isinstance(subset(TRAIN, np.array([1])), MaskedPatchSource)
    part = subset(Unlabelled(8), np.array([1]))
    assert type(part) is Subset
    assert (part.ids, part.labels, part.groups) == (["b"], None, None)


def test_a_source_is_described_in_a_line() -> None:
    slides = len(set(TRAIN.groups))
    line = f"12 patches, {TRAIN.labels.sum()} positive, {slides} slides"
    assert describe_source(TRAIN) == line
    assert describe_source(TRAIN, scale="smoke") == f"{line}, scale=smoke"
    named = line.replace("positive", "positive (cancer)")
    assert describe_source(TRAIN, ("benign", "cancer")) == named
    assert describe_source(subset(Unlabelled(8), np.array([0]))) == "1 patch, slides unknown"


def test_labels_are_0_or_1() -> None:
    assert validate_labels(np.array([0, 1, 1]), "y").dtype == np.uint8
    with pytest.raises(DataError, match=r"y: row 1 has label 2; labels are 0 or 1 \(2 are not\)"):
        validate_labels(np.array([0, 2, 3]), "y")


@pytest.mark.parametrize("limit", [2, 3])
def test_a_limited_source_has_every_class_of_the_whole(limit: int) -> None:
    rare = SyntheticSource("train", 64)
    chosen = [*np.flatnonzero(rare.labels == 0), np.flatnonzero(rare.labels == 1)[0]]
    rare = subset(rare, np.sort(chosen))
    for seed in range(20):
        limited = limit_source(rare, limit, seed)
        assert len(set(limited.ids)) == limit
        assert limited.labels is not None
        assert set(limited.labels) == {0, 1}
        assert limited.ids == sorted(limited.ids, key=list(rare.ids).index)


def test_a_draw_that_has_both_classes_stays_as_it_was() -> None:
    source = SyntheticSource("train", 64)
    for seed in range(20):
        plain = np.sort(draw(seed, Purpose.LIMIT).choice(64, 16, replace=False))
        assert limit_source(source, 16, seed).ids == [source.ids[i] for i in plain]


def test_a_single_patch_and_patches_without_labels_can_be_drawn() -> None:
    assert len(limit_source(TRAIN, 1, 0)) == 1
    assert len(limit_source(Unlabelled(4), 1, 0)) == 1
