import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from pcam.data.sources.pcam import PCamSource
from pcam.data.sources.synthetic.source import SyntheticSource
from pcam.data.storage.checksums import STEM
from pcam.errors import DataError
from tests.conftest import write_pcam


def test_patches_labels_and_slides_are_those_of_the_files(pcam_root: Path) -> None:
    source, written = PCamSource("valid", str(pcam_root)), SyntheticSource("valid", 48)
    assert (source.read(np.array([5, 2])) == written.read(np.array([5, 2]))).all()
    assert (source.labels == written.labels).all()
    assert source.groups == list(written.groups)
    assert source.ids[:2] == ["valid-000000", "valid-000001"]


def copy(pcam_root: Path, folder: Path) -> Path:
    for path in pcam_root.iterdir():
        shutil.copy(path, folder)
    return folder


def meta(root: Path, split: str) -> Path:
    return root / f"{STEM}{split}_meta.csv"


def test_trap_meta_csvs_of_valid_and_test_are_swapped(
    pcam_root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = copy(pcam_root, tmp_path)
    meta(root, "valid").rename(tmp_path / "aside")
    meta(root, "test").rename(meta(root, "valid"))
    (tmp_path / "aside").rename(meta(root, "test"))
    for split in ("valid", "test"):
        right, swapped = PCamSource(split, str(pcam_root)), PCamSource(split, str(root))
        assert swapped.groups == right.groups
    assert "agrees with the labels of valid: slide names are taken from it" in caplog.text


def test_slides_are_unknown_without_a_csv(pcam_root: Path, tmp_path: Path) -> None:
    root = copy(pcam_root, tmp_path)
    meta(root, "train").unlink()
    source = PCamSource("train", str(root))
    assert source.groups is None
    assert set(source.files) == {"x", "y"}


def test_a_csv_that_agrees_with_no_labels_is_an_error(pcam_root: Path, tmp_path: Path) -> None:
    root = copy(pcam_root, tmp_path)
    shutil.copy(meta(root, "test"), meta(root, "train"))
    with pytest.raises(DataError, match="train_meta.csv does not agree with the 96 labels"):
        PCamSource("train", str(root))
    meta(root, "train").write_text("id,slide\n")
    with pytest.raises(DataError, match="wsi and tumor_patch are needed, found id, slide"):
        PCamSource("train", str(root))


def test_a_meta_csv_of_neither_split_is_an_error(tmp_path: Path) -> None:
    root = write_pcam(tmp_path, {"train": 8, "valid": 12, "test": 9})
    with (root / f"{STEM}valid_meta.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    with (root / f"{STEM}valid_meta.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows[:-1])
    message = (
        r"valid_meta.csv does not agree with the 12 labels of valid \(nor does .*test_meta.csv"
    )
    with pytest.raises(DataError, match=message):
        PCamSource("valid", str(root))
    (root / f"{STEM}valid_meta.csv").unlink()
    assert PCamSource("valid", str(root)).groups is None
