from pathlib import Path

import numpy as np
import pytest

from pcam.data.audit.run import audit
from pcam.data.limit import limit_source
from pcam.data.sources.kaggle import KaggleSource
from pcam.data.sources.pcam import PCamSource
from pcam.data.storage import checksums
from tests.conftest import STEM, write_kaggle, write_pcam
from tests.data.audit.planted import SIZES, Patches


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
