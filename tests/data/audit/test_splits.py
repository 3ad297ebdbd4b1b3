import csv
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from pcam.data.audit.run import audit
from pcam.data.base import limit_source
from pcam.data.sources.kaggle import KaggleSource
from pcam.data.sources.pcam import PCamSource
from pcam.data.storage import checksums
from pcam.errors import DataError
from tests.conftest import STEM, write_kaggle, write_pcam
from tests.data.audit.planted import SIZES, Patches


def test_shared_slides_are_reported_with_their_share(clean: dict[str, Patches]) -> None:
    clean["valid"].groups = [
        "train-slide-03" if i < 30 else name for i, name in enumerate(clean["valid"].groups)
    ]
    check = audit(clean)["slides"]
    of_train = [i for i, name in enumerate(clean["train"].groups) if name == "train-slide-03"]
    assert check.verdict == "fail"
    assert (
        check.line == "1 slide in both train and valid,"
        f" with {len(of_train) / 300:.1%} of train and 25.0% of valid"
    )
    assert {(p.split, p.row) for p in check.groups[0]} == {("train", i) for i in of_train} | {
        ("valid", i) for i in range(30)
    }


def test_another_stain_and_one_class_only_are_reported(clean: dict[str, Patches]) -> None:
    pale = 255 * (clean["test"].pixels / 255) ** 0.45
    clean["test"].pixels = pale.astype(np.uint8)
    clean["test"].labels[:] = 1
    report = audit(clean)
    assert report["stain"].verdict == "warn"
    assert "test" in report["stain"].line
    assert report["classes"].verdict == "fail"
    mean = {split: figures["haematoxylin"]["mean"] for split, figures in report.stain.items()}
    assert mean["test"] < 0.7 * mean["train"]


def test_kaggle_ids_that_do_not_match_their_pixels_are_found(tmp_path: Path) -> None:
    root, _ = write_kaggle(tmp_path)
    source = KaggleSource("train", str(root), str(tmp_path))
    assert audit({"train": source})["ids"].verdict == "pass"
    pixels = source.read(np.arange(len(source)))
    pixels[17, 0, 0] ^= 1
    check = audit({"train": Patches(pixels, source.labels, source.ids)})["ids"]
    assert check.verdict == "fail"
    assert check.groups == ((("train", 17, source.ids[17]),),)


def swap(root: Path, part: str) -> None:
    valid, test = root / f"{STEM}valid_{part}", root / f"{STEM}test_{part}"
    valid.rename(root / "aside")
    test.rename(valid)
    (root / "aside").rename(test)


def test_trap_official_meta_csvs_are_swapped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = write_pcam(tmp_path, {"train": 20, "valid": 12, "test": 12})
    right = {split: PCamSource(split, str(root)).groups for split in SIZES}
    assert not caplog.records
    swap(root, "meta.csv")
    sources = {split: PCamSource(split, str(root)) for split in SIZES}
    assert {split: source.groups for split, source in sources.items()} == right
    assert "test_meta.csv agrees with the labels of valid" in caplog.text
    check = audit({"valid": limit_source(sources["valid"], 10, 0), "train": sources["train"]})[
        "swapped"
    ]
    assert (check.verdict, check.count) == ("warn", 1)
    assert f"{STEM}test_meta.csv agrees with the labels of valid" in check.line


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


@pytest.mark.parametrize("part", ["y", "x"])
def test_trap_swapped_valid_and_test_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    root = write_pcam(tmp_path, {"train": 20, "valid": 12, "test": 12})
    known = {
        f"{s}_{p}": ("", checksums.md5(root / f"{STEM}{s}_{p}.h5")) for s in SIZES for p in "xy"
    }
    monkeypatch.setattr(checksums, "HDF5", known)
    assert (
        audit({split: PCamSource(split, str(root)) for split in SIZES})["swapped"].verdict == "pass"
    )
    for path in root.glob("*.csv"):
        path.unlink()
    swap(root, f"{part}.h5")
    check = audit({split: PCamSource(split, str(root)) for split in SIZES})["swapped"]
    assert check.verdict == "fail"
    assert f"{STEM}valid_{part}.h5 is the official test_{part}.h5" in check.line
    assert f"{STEM}test_{part}.h5 is the official valid_{part}.h5" in check.line


def test_checksums_are_those_of_the_files_not_of_the_readme() -> None:
    table = checksums.HDF5
    assert set(table) == {f"{split}_{part}" for split in SIZES for part in "xy"}
    assert table["valid_y"] == (
        "2b85f58b927af9964a4c15b8f7e8f179",
        "94d8aacc249253159ce2a2e78a86e658",
    )
    digests = [*chain(*table.values()), checksums.TRAIN_META, *checksums.VALID_OR_TEST_META]
    assert len({digest for digest in digests if len(digest) == 32}) == 15
