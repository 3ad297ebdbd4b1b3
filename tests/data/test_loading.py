import numpy as np
import pytest

from pcam.data import duplicates as module
from pcam.data.base import MaskedPatchSource, PatchSource
from pcam.data.duplicates import digests
from pcam.data.loading import Splits, describe_splits, open_source
from pcam.data.sources.synthetic.registration import SyntheticData
from pcam.data.sources.synthetic.source import SyntheticSource
from pcam.errors import ConfigError, DataError
from tests.data.configs import data_config, split_data

SIZES = {"train": 60, "valid": 30, "test": 20}
SMALL = [*(f"data.{split}={size}" for split, size in SIZES.items()), "data.slides=8"]


def opened(*words: str) -> Splits:
    return split_data(*SMALL, *words)


def pixels(source: object) -> set[bytes]:
    return {patch.tobytes() for patch in source.read(np.arange(len(source)))}


def test_published_splits_stay_as_published() -> None:
    for words in ([], ["splits=official"]):
        found = opened(*words)
        assert found.how == "official"
        assert {split: len(source) for split, source in found.splits.items()} == {
            "train": 60,
            "valid": 30,
            "test": 20,
        }
        assert found.splits["valid"].ids == SyntheticSource("valid", 30).ids


@pytest.mark.parametrize("how", ["random", "slide", "folds"])
def test_train_and_valid_split_anew_leave_test_alone(how: str) -> None:
    found = opened(f"splits={how}").splits
    train, valid = set(found["train"].ids), set(found["valid"].ids)
    assert found["test"].ids == SyntheticSource("test", 20).ids
    assert len(train) + len(valid) == len(train | valid) == 90
    assert {name.partition("-")[0] for name in valid} == {"train", "valid"}
    assert set(found["train"].groups).isdisjoint(found["valid"].groups) == (how != "random")
    assert 9 <= len(valid) <= 27
    for name, part in found.items():  # pixels, labels and masks go with the id
        assert isinstance(part, MaskedPatchSource)
        for i in (0, len(part) - 1):
            split, _, number = part.ids[i].partition("-")
            whole, place = SyntheticSource(split, 60, slides=8), np.array([int(number)])
            assert (part.read(np.array([i])) == whole.read(place)).all(), name
            assert (part.masks(np.array([i])) == whole.masks(place)).all()
            assert part.labels[i] == whole.labels[place]
            assert part.groups[i] == whole.groups[place[0]]


def test_the_folds_of_a_sweep_cover_every_patch_once() -> None:
    valid = [
        name
        for fold in range(3)
        for name in opened("splits=folds", "splits.folds=3", f"splits.fold={fold}", f"seed={fold}")
        .splits["valid"]
        .ids
    ]
    assert sorted(valid) == sorted(
        [*SyntheticSource("train", 60).ids, *SyntheticSource("valid", 30).ids]
    )


def test_a_written_split_can_be_used_again(tmp_path: object) -> None:
    first = opened("splits=slide").splits
    file = tmp_path / "s.csv"
    file.write_text(
        "id,split\n"
        + "".join(f"{i},{split}\n" for split, source in first.items() for i in reversed(source.ids))
    )
    again = opened("splits=file", f"splits.file={file}")
    assert again.how == "file"
    assert again.left_out == {}
    for split, source in first.items():
        assert sorted(again.splits[split].ids) == sorted(source.ids)
    file.write_text("id,split\ntrain-000001,train\ntrain-000002,valid\n")
    again = opened("splits=file", f"splits.file={file}")
    assert list(again.splits) == ["train", "valid"]
    assert again.left_out == {"unlisted": 108}
    file.write_text("id,split\ntrain-000001,train\n")
    with pytest.raises(DataError, match="lists no patch for valid"):
        opened("splits=file", f"splits.file={file}")


TRAIN = SyntheticSource("train", 60, slides=8)


class Copies(SyntheticSource):
    """Patches with copies: 3 of train within train, 2 of train in test, 1 of valid in train."""

    def read(self, indices: np.ndarray) -> np.ndarray:
        patches = super().read(indices)
        for row, index in enumerate(indices):
            original = None
            if self.split == "train" and index in (5, 6, 7):
                original = 4
            if self.split == "test" and index in (0, 1):
                original = 10 + index
            if self.split == "valid" and index == 3:
                original = 20
            if original is not None:
                patches[row] = TRAIN.read(np.array([original]))[0]
        return patches


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = {split: Copies(split, size, slides=8) for split, size in SIZES.items()}

    def open_copies(self: SyntheticData, split: str) -> PatchSource:
        return opened[split]

    monkeypatch.setattr(SyntheticData, "open", open_copies)


@pytest.mark.usefixtures("copies")
def test_copies_are_kept_or_dropped_as_the_key_says() -> None:
    kept = opened()
    assert len(kept.splits["train"]) == 60
    assert kept.left_out == {}
    assert describe_splits(kept) == "official; equal patches are kept, and not searched for"
    dropped = opened("data.duplicates=drop")
    assert dropped.left_out == {"train": 3 + 2 + 1}
    assert (
        describe_splits(dropped)
        == "official; one of each set of equal patches is kept; left out: 6 of train"
    )
    assert not set(dropped.splits["train"].ids) & {f"train-{i:06d}" for i in (5, 6, 7, 10, 11, 20)}
    assert len(dropped.splits["valid"]) == 30
    assert len(dropped.splits["test"]) == 20
    both = [pixels(source) for source in dropped.splits.values()]
    assert sum(map(len, both)) == len(set.union(*both)) == 104
    with pytest.raises(ConfigError, match=r"data\.duplicates=merge"):
        opened("data.duplicates=merge")


@pytest.mark.usefixtures("copies")
def test_copies_are_never_in_both_train_and_valid_of_a_new_split() -> None:
    assert opened("splits=random").left_out == {"train and valid, as copies of test": 2}
    separated = 0
    for how in ("random", "slide", "folds"):
        for seed in range(3):
            found = opened(f"splits={how}", f"splits.seed={seed}").splits
            assert not pixels(found["train"]) & pixels(found["valid"])
            assert not (pixels(found["train"]) | pixels(found["valid"])) & pixels(found["test"])
            loose = opened(f"splits={how}", f"splits.seed={seed}", "data.duplicates=keep").splits
            separated += bool(pixels(loose["train"]) & pixels(loose["valid"]))
    assert separated > 0  # data.duplicates=keep does separate them


def test_no_patch_is_digested_twice_and_those_of_kaggle_not_at_all(
    kaggle_root: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []

    def counted(source: object, **_: object) -> np.ndarray:
        read.append(len(source))
        return digests(source)

    monkeypatch.setattr(module, "digests", counted)
    opened("splits=slide", "data.duplicates=drop")
    assert sorted(read) == [
        20,
        30,
        60,
    ]  # each split once: for copies of test patches, for the split, and to drop copies
    read.clear()
    found = split_data("data=kaggle", f"data.root={kaggle_root}").splits
    assert read == []
    assert not pixels(found["train"]) & pixels(found["valid"])


def test_an_impossible_split_is_an_error(kaggle_root: object) -> None:
    def kaggle(how: str) -> Splits:
        return split_data("data=kaggle", f"data.root={kaggle_root}", f"splits={how}")

    assert kaggle("auto").how == "random"
    with pytest.raises(
        ConfigError, match=r"data=kaggle has no valid split; set splits=random or splits=slide"
    ):
        kaggle("official")
    with pytest.raises(
        DataError,
        match=r"the slides of data=kaggle are not known; set splits=random, or give slide names:"
        r" data\.slide_csv",
    ):
        kaggle("slide")
    with pytest.raises(ConfigError, match=r"splits\.fold=5 must be from 0 to 4"):
        opened("splits=folds", "splits.fold=5")
    with pytest.raises(ConfigError, match=r"unknown key splits\.shares"):
        opened("splits=random", "+splits.shares=0.1")


def test_a_source_without_patches_is_an_error() -> None:
    with pytest.raises(DataError, match="data=synthetic: valid has no patches"):
        open_source(data_config("data.valid=0").data, "valid")
