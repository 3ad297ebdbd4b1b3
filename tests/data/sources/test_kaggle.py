import csv
import hashlib
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from pcam.config.sections import AutoSplits
from pcam.data.loading import open_splits
from pcam.data.provider import source_provider
from pcam.data.sources.kaggle import KaggleDataConfig
from pcam.data.storage import conversion
from pcam.errors import DataError
from tests.conftest import write_kaggle


def opened(root: Path, split: str, seed: int = 0, **settings: object) -> object:
    """Open train or valid of a split by a quarter, or the folder to predict."""
    data = KaggleDataConfig(root=str(root), converted=str(root), **settings)
    if split == "predict":
        return source_provider(data).open(split)
    return open_splits(data, AutoSplits(name="auto", share=0.25, seed=seed), 0).splits[split]


def test_valid_and_train_are_all_patches_and_share_none(kaggle_root: Path) -> None:
    train, valid = opened(kaggle_root, "train"), opened(kaggle_root, "valid")
    assert (len(train), len(valid)) == (30, 10)
    assert not set(train.ids) & set(valid.ids)
    with Image.open(kaggle_root / "train" / f"{valid.ids[3]}.tif") as image:
        assert (valid.read(np.array([3]))[0] == np.asarray(image)).all()
    labels = {
        row["id"]: int(row["label"])
        for row in csv.DictReader((kaggle_root / "train_labels.csv").open())
    }
    assert [labels[i] for i in valid.ids] == valid.labels.tolist()


def test_the_test_folder_is_only_for_prediction(kaggle_root: Path) -> None:
    predict = opened(kaggle_root, "predict")
    assert predict.labels is None
    assert sorted(predict.ids) == sorted(path.stem for path in (kaggle_root / "test").glob("*.tif"))


def test_a_conversion_is_a_memory_map_and_is_done_once(kaggle_root: Path) -> None:
    opened(kaggle_root, "train")
    with h5py.File(kaggle_root / "train.h5") as file:
        assert file["x"].id.get_offset() is not None
    before = (kaggle_root / "train.h5").stat().st_mtime_ns
    opened(kaggle_root, "train")
    assert (kaggle_root / "train.h5").stat().st_mtime_ns == before


def test_an_interrupted_conversion_is_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, _ = write_kaggle(tmp_path)
    monkeypatch.setattr(conversion, "BLOCK", 8)
    read, seen = conversion.read_image, []

    def failing(path: Path) -> np.ndarray:
        seen.append(path)
        if len(seen) == 22:
            raise KeyboardInterrupt
        return read(path)

    monkeypatch.setattr(conversion, "read_image", failing)
    with pytest.raises(KeyboardInterrupt):
        opened(root, "train")
    assert not (root / "train.h5").exists()
    seen.clear()
    seen.extend([Path()] * 100)
    train, valid = opened(root, "train"), opened(root, "valid")
    assert (
        len(seen) - 100 == 40 - 16
    )  # two blocks of 8 were done before the kill, the third was not
    assert not list(root.glob("*.part")) + list(root.glob("*.progress"))
    for source in (train, valid):
        for i, name in enumerate(source.ids):
            assert (source.read(np.array([i]))[0] == read(root / "train" / f"{name}.tif")).all()


def wrong_id(tmp_path: Path) -> Path:
    root, _ = write_kaggle(tmp_path)
    first, second = sorted((root / "train").glob("*.tif"))[:2]
    shutil.copy(first, second)  # the second's pixels are now the first's, its id is not
    return root


def test_ids_that_are_not_their_pixels_are_counted_and_named(tmp_path: Path) -> None:
    root = wrong_id(tmp_path)
    name = sorted((root / "train").glob("*.tif"))[1].stem
    with pytest.raises(DataError, match=f"1 of 40 ids are not the SHA-1 of their pixels: {name}"):
        opened(root, "train")
    dropped = [
        *opened(root, "train", mismatch="drop").ids,
        *opened(root, "valid", mismatch="drop").ids,
    ]
    assert len(dropped) == 39
    assert name not in dropped
    for seed in range(8):  # kept: two ids of equal pixels, never in both train and valid
        sides = [opened(root, split, seed, mismatch="keep") for split in ("train", "valid")]
        pixels = [{patch.tobytes() for patch in side.read(np.arange(len(side)))} for side in sides]
        assert len(sides[0]) + len(sides[1]) == 40
        assert not pixels[0] & pixels[1]


def test_split_by_slide_if_a_csv_of_slides_is_given(kaggle_root: Path, tmp_path: Path) -> None:
    whole = [*opened(kaggle_root, "train").ids, *opened(kaggle_root, "valid").ids]
    slides = tmp_path / "slides.csv"
    slides.write_text(
        "id,wsi\n" + "".join(f"{name},slide{i % 6}\n" for i, name in enumerate(whole))
    )
    train, valid = (
        opened(kaggle_root, split, slide_csv=str(slides)) for split in ("train", "valid")
    )
    assert set(train.groups) | set(valid.groups) == {f"slide{i}" for i in range(6)}
    assert not set(train.groups) & set(valid.groups)
    slides.write_text(f"id,wsi\n{whole[0]},a\n")
    with pytest.raises(DataError, match="no slide for 39 of 40 patches"):
        opened(kaggle_root, "train", slide_csv=str(slides))


def test_a_conversion_that_was_changed_is_refused(kaggle_root: Path, tmp_path: Path) -> None:
    root = shutil.copytree(kaggle_root, tmp_path / "kaggle")
    opened(root, "train")
    with h5py.File(root / "train.h5", "r+") as file:
        file["x"][3, 5, 5, 0] ^= 1
    with pytest.raises(DataError, match="changed after its conversion: the pixels of 1 of 40"):
        opened(root, "train")


def test_a_copied_conversion_is_compared_once(kaggle_root: Path, tmp_path: Path) -> None:
    root = shutil.copytree(kaggle_root, tmp_path / "kaggle")
    opened(root, "train")
    note = (root / "train.checked").read_text()
    os.utime(root / "train.h5", (1, 1))
    opened(root, "train")
    assert (root / "train.checked").read_text() != note


@pytest.mark.parametrize("note", ["many", "999999", "-5", "9" * 10_000])
def test_a_damaged_note_of_progress_starts_the_conversion_anew(
    kaggle_root: Path, tmp_path: Path, note: str
) -> None:
    root = shutil.copytree(kaggle_root, tmp_path / "kaggle")
    before = opened(root, "train").ids
    with (root / "train_labels.csv").open() as file:
        ids = [row["id"] for row in csv.DictReader(file)]
    order = hashlib.sha1("\n".join(ids).encode()).hexdigest()
    (root / "train.h5").rename(root / "train.part")
    (root / "train.progress").write_text(f"{order} {note}")
    assert opened(root, "train").ids == before
