import logging

import numpy as np
import pytest

from pcam.data.base import concatenate, subset
from pcam.data.duplicates import PatchKeys, digest_keys, digests, drop_duplicates
from pcam.data.sources.synthetic.source import SyntheticSource
from pcam.errors import DataError

WHOLE = SyntheticSource("train", 30)


def test_keys_follow_patches_into_subsets_and_joined_sources() -> None:
    keys = PatchKeys()
    known = digest_keys(digests(WHOLE))
    chosen = np.array([7, 3, 3])
    part = subset(WHOLE, chosen)
    assert (keys.of(part) == known[chosen]).all()
    assert (keys.of(concatenate([part, WHOLE])) == np.concatenate([known[chosen], known])).all()


def test_the_copy_that_is_evaluated_is_kept() -> None:
    splits = {
        "train": subset(WHOLE, np.arange(10)),
        "valid": subset(WHOLE, np.arange(8, 16)),
        "test": subset(WHOLE, np.array([20, 20, 8, 21])),
    }
    found = drop_duplicates(splits, PatchKeys())
    assert list(found.splits) == ["train", "valid", "test"]
    assert found.dropped == {"train": 2, "valid": 1, "test": 1}
    assert found.splits["valid"].ids == WHOLE.ids[9:16]


def test_contradicting_labels_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    train = subset(WHOLE, np.arange(4))
    train.labels = 1 - train.labels
    splits = {"train": subset(WHOLE, np.arange(8)), "valid": train}
    with caplog.at_level(logging.WARNING):
        drop_duplicates(splits, PatchKeys())
    assert "4 copies have another label" in caplog.text


def test_a_split_of_copies_alone_is_an_error() -> None:
    splits = {"train": subset(WHOLE, np.arange(4)), "test": WHOLE}
    with pytest.raises(DataError, match=r"data\.duplicates=drop leaves train without patches"):
        drop_duplicates(splits, PatchKeys())
