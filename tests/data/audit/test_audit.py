import csv
import hashlib
import io
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from pcam.data.audit.run import Audit, audit, near_duplicates, survey
from pcam.data.audit.survey import LUMA, averaged
from pcam.data.base import limit_source
from pcam.data.duplicates import BLOCK, digests
from pcam.data.sources.kaggle import KaggleSource
from pcam.data.sources.pcam import PCamSource
from pcam.data.sources.synthetic.source import SyntheticSource
from pcam.data.storage import checksums
from pcam.errors import DataError
from tests.conftest import STEM, write_kaggle, write_pcam

SIZES = {"train": 300, "valid": 120, "test": 120}
FAULTY = {"blank", "dark", "blurred", "foreign", "void"}


class Patches:
    """Patches in memory, to plant faults in."""

    def __init__(
        self,
        pixels: np.ndarray,
        labels: np.ndarray | None = None,
        ids: Sequence[str] | None = None,
        groups: Sequence[str] | None = None,
    ) -> None:
        self.pixels, self.labels, self.groups = (
            pixels.copy(),
            None if labels is None else labels.copy(),
            groups,
        )
        self.ids = [f"patch-{i}" for i in range(len(pixels))] if ids is None else list(ids)
        self.most, self.last = 0, 0

    def __len__(self) -> int:
        return len(self.pixels)

    def read(self, indices: np.ndarray) -> np.ndarray:
        self.most, self.last = max(self.most, len(indices)), int(indices[-1])
        return self.pixels[indices]


@pytest.fixture(scope="module")
def made() -> dict[str, SyntheticSource]:
    return {split: SyntheticSource(split, size) for split, size in SIZES.items()}


@pytest.fixture
def clean(made: dict[str, SyntheticSource]) -> dict[str, Patches]:
    return {
        s: Patches(m.read(np.arange(len(m))), m.labels, m.ids, m.groups) for s, m in made.items()
    }


def found(report: Audit, name: str) -> set[tuple[tuple[str, int], ...]]:
    return {tuple((patch.split, patch.row) for patch in group) for group in report[name].groups}


def alarms(report: Audit) -> set[str]:
    return {check.name for check in report.checks if check.verdict in ("warn", "fail")}


def turned(patch: np.ndarray, symmetry: int) -> np.ndarray:
    patch = patch.transpose(1, 0, 2) if symmetry & 4 else patch
    patch = patch[::-1] if symmetry & 2 else patch
    return np.ascontiguousarray(patch[:, ::-1] if symmetry & 1 else patch)


def encoded(patch: np.ndarray, quality: int = 75) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(patch).save(file, "jpeg", quality=quality)
    return np.asarray(Image.open(file))


def brighter(patch: np.ndarray) -> np.ndarray:
    return np.clip(patch * 1.06 + 4, 0, 255).astype(np.uint8)


# Nothing where nothing is ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_clean_patches_of_all_stains_raise_no_alarm(seed: int) -> None:
    report = audit(
        {split: SyntheticSource(split, 400, seed, slides=24, cache=False) for split in SIZES}
    )
    assert alarms(report) == set()
    assert report.verdict == "pass"
    assert report["slides"].verdict == "pass"


# Copies ----------------------------------------------------------------------------------------------------------------


def test_equal_patches_within_and_across_splits_are_all_found(clean: dict[str, Patches]) -> None:
    train, valid = clean["train"], clean["valid"]
    train.pixels[[40, 299]] = train.pixels[7]
    train.labels[[40, 299]] = train.labels[7]
    train.pixels[100], train.labels[100] = valid.pixels[3], valid.labels[3]
    valid.pixels[60], valid.labels[60] = train.pixels[7], train.labels[7]
    report = audit(clean)
    assert found(report, "equal_within") == {(("train", 7), ("train", 40), ("train", 299))}
    assert found(report, "equal_across") == {
        (("train", 100), ("valid", 3)),
        (("train", 7), ("train", 40), ("train", 299), ("valid", 60)),
    }
    assert alarms(report) == {"equal_within", "equal_across"}
    assert (report["equal_within"].count, report["equal_across"].count) == (2, 6)
    assert report.splits["train"]["distinct"] == 298
    assert report.verdict == "fail"


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    **{f"symmetry {g}": (lambda patch, g=g: turned(patch, g)) for g in range(1, 8)},
    "encoded again": encoded,
    "brighter": brighter,
    **{
        f"all of it {g}": (lambda patch, g=g: encoded(brighter(turned(patch, g)))) for g in range(8)
    },
}


def test_near_equal_patches_are_all_found_and_no_others(clean: dict[str, Patches]) -> None:
    train = clean["train"]
    for k, change in enumerate(CHANGES.values()):
        train.pixels[200 + k], train.labels[200 + k] = change(train.pixels[k]), train.labels[k]
    report = audit(clean)
    missed = {tuple(pair) for pair in found(report, "near_within")} ^ {
        (("train", k), ("train", 200 + k)) for k in range(len(CHANGES))
    }
    assert not missed
    assert alarms(report) == {"near_within"}
    assert report["near_within"].count == len(CHANGES)


def test_near_equal_patches_across_splits_are_leakage_with_all_their_copies(
    clean: dict[str, Patches],
) -> None:
    train, test = clean["train"], clean["test"]
    train.pixels[10], train.labels[10] = train.pixels[9], train.labels[9]
    test.pixels[50], test.labels[50] = encoded(turned(train.pixels[9], 6)), train.labels[9]
    test.pixels[51], test.labels[51] = brighter(test.pixels[50]), train.labels[9]
    report = audit(clean)
    assert found(report, "near_across") == {
        (("train", 9), ("train", 10), ("test", 50), ("test", 51))
    }
    assert alarms(report) == {"near_across", "equal_within"}


def test_contradicting_labels_of_equal_and_near_equal_patches(clean: dict[str, Patches]) -> None:
    train, valid = clean["train"], clean["valid"]
    train.pixels[20], train.labels[20] = train.pixels[5], 1 - train.labels[5]
    train.pixels[30], train.labels[30] = train.pixels[6], train.labels[6]  # equal, and of one mind
    valid.pixels[8], valid.labels[8] = encoded(turned(train.pixels[11], 3)), 1 - train.labels[11]
    report = audit(clean)
    assert found(report, "labels_equal") == {(("train", 5), ("train", 20))}
    assert found(report, "labels_near") == {(("train", 11), ("valid", 8))}
    assert report["labels_equal"].verdict == "fail"
    assert report["labels_near"].verdict == "warn"


def test_patches_are_not_near_equal_for_an_edge_in_common(clean: dict[str, Patches]) -> None:
    tissue = clean["train"].pixels[:40] * 0.5
    tissue[:, :, 40:] = 255  # half of each is missing: the edge is most of the picture
    images = (averaged(tissue.astype(np.uint8), near_duplicates.SIDE) @ LUMA).astype(np.float32)
    as_it_is = np.zeros(20, np.int64)
    whole, _ = near_duplicates.similarity(images[:20], images[20:], as_it_is)
    assert (whole > near_duplicates.WHOLE).any()
    assert not near_duplicates.agreeing(images[:20], images[20:], as_it_is).any()
    assert near_duplicates.agreeing(images[:20], images[:20], as_it_is).all()


def test_blank_and_dark_patches_are_no_near_copies_of_each_other(clean: dict[str, Patches]) -> None:
    train = clean["train"]
    train.pixels[50] = train.pixels[3] // 8
    train.pixels[51] = train.pixels[50][::-1]
    report = audit(clean)
    assert found(report, "dark") == {(("train", 50),), (("train", 51),)}
    assert report["near_within"].verdict == "pass"


@pytest.mark.parametrize("block", [1000, 1 << 20])
def test_the_search_finds_what_comparing_every_pair_finds(
    monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(near_duplicates, "CANDIDATES", block)
    rng = np.random.default_rng(0)
    signs = rng.integers(0, 1 << 16, (1500, 4)).astype(np.uint16)
    signs[:, 0] &= 0xFFFE  # the mean's own sign is no part of the hash
    signs[600:1000, 1] = 0x00FF  # a bucket with a quarter of all
    for k in range(300):  # pairs that differ in 0 to 7 bits
        bits = rng.choice(np.arange(1, 64), k % 8, replace=False)
        form = near_duplicates.transposed(signs[k : k + 1])[0] if k % 2 else signs[k].copy()
        flip = np.array([(0, 0, 0, 0), (0, 1, 0, 1), (0, 0, 1, 1), (0, 1, 1, 0)][k % 4], np.uint16)
        form ^= flip * np.uint16(0xFFFF)
        for bit in bits:
            form[bit // 16] ^= np.uint16(1 << bit % 16)
        signs[1200 + k] = form
    i, j = np.triu_indices(len(signs), 1)
    closest = np.minimum(
        near_duplicates._distance(signs[i], signs[j])[0],
        near_duplicates._distance(near_duplicates.transposed(signs)[i], signs[j])[0],
    )
    every = {
        (a, b) for a, b in zip(i[closest <= 7].tolist(), j[closest <= 7].tolist(), strict=True)
    }
    assert len(every) >= 300
    some = np.concatenate(list(near_duplicates._candidates(signs)))
    assert every <= set(map(tuple, some[:, :2].tolist()))
    assert len(some) < 100_000  # and it need not offer much else


def test_many_patches_of_one_hash_are_looked_at_in_blocks(
    clean: dict[str, Patches], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(near_duplicates, "PAIRS", 16)
    train, rng = clean["train"], np.random.default_rng(0)
    noisy = np.clip(train.pixels[0] + rng.normal(0, 3, (200, 96, 96, 3)), 0, 255).astype(np.uint8)
    train.pixels[100:], train.labels[100:] = noisy, train.labels[0]
    report = audit(clean)
    assert found(report, "near_within") == {
        (("train", 0), *(("train", k) for k in range(100, 300)))
    }
    assert train.most <= BLOCK


# Single patches --------------------------------------------------------------------------------------------------------


def line_of_ink(color: Sequence[int]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda patch: cv2.line(patch.copy(), (10, 0), (70, 95), color, 9)


def filled(rows: slice, columns: slice, value: object) -> Callable[[np.ndarray], np.ndarray]:
    def fill(patch: np.ndarray) -> np.ndarray:
        out = patch.copy()
        out[rows, columns] = value
        return out

    return fill


def noise(middle: Sequence[int], deviation: float) -> Callable[[np.ndarray], np.ndarray]:
    grain = np.random.default_rng(1).normal(0, deviation, (96, 96, 3))
    return lambda patch: np.clip(np.array(middle) + grain, 0, 255).astype(np.uint8)


ALL = slice(None)
PLANTED: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "white": ("blank", noise((255, 255, 255), 0)),
    "empty slide": ("blank", noise((241, 240, 243), 2)),
    "one colour": ("blank", noise((200, 150, 190), 6)),
    "black": ("dark", noise((0, 0, 0), 0)),
    "scanner's black": ("dark", noise((38, 30, 34), 2)),
    "Gaussian of 3": ("blurred", lambda patch: cv2.GaussianBlur(patch, (0, 0), 3)),
    "Gaussian of 4, encoded": (
        "blurred",
        lambda patch: encoded(cv2.GaussianBlur(patch, (0, 0), 4), 85),
    ),
    "green ink": ("foreign", line_of_ink((20, 130, 60))),
    "blue ink": ("foreign", line_of_ink((25, 60, 190))),
    "black ink": ("foreign", line_of_ink((25, 24, 28))),
    "yellow dye": ("foreign", filled(slice(0, 30), slice(0, 30), (235, 220, 60))),
    "right half white": ("void", filled(ALL, slice(48, 96), 255)),
    "left quarter grey": ("void", filled(ALL, slice(0, 24), 128)),
    "lower rows black": ("void", filled(slice(84, 96), ALL, 0)),
    "a dead row": ("void", filled(slice(50, 51), ALL, 0)),
    "a dead column": ("void", filled(ALL, slice(95, 96), 0)),
    "white half, encoded": (
        "void",
        lambda patch: encoded(filled(slice(0, 43), ALL, 255)(patch), 90),
    ),
    "repeated rows": (
        "void",
        lambda patch: np.concatenate([patch[:70], np.repeat(patch[69:70], 26, 0)]),
    ),
}


def test_every_kind_of_faulty_patch_is_found_where_it_was_planted(
    clean: dict[str, Patches],
) -> None:
    wanted: dict[str, set[tuple[str, int]]] = {name: set() for name in FAULTY}
    for k, (fault, plant) in enumerate(PLANTED.values()):
        for split, row in (("train", 3 * k + 1), ("test", 4 * k + 2)):
            clean[split].pixels[row] = plant(clean[split].pixels[row])
            wanted[fault].add((split, row))
    report = audit(clean)
    for fault, patches in wanted.items():
        seen = set(chain(*found(report, fault)))
        odd = seen ^ patches
        named = {
            name
            for k, name in enumerate(PLANTED)
            if odd & {("train", 3 * k + 1), ("test", 4 * k + 2)}
        }
        assert not named, fault
        assert seen == patches
    assert alarms(report) >= FAULTY
    assert not alarms(report) & {"near_within", "near_across", "stain", "classes"}


# Splits ----------------------------------------------------------------------------------------------------------------


def test_slides_on_both_sides_are_named_with_their_share(clean: dict[str, Patches]) -> None:
    clean["valid"].groups = [
        "train-slide-03" if i < 30 else name for i, name in enumerate(clean["valid"].groups)
    ]
    check = audit(clean)["slides"]
    of_train = [i for i, name in enumerate(clean["train"].groups) if name == "train-slide-03"]
    assert check.verdict == "fail"
    assert (
        check.line
        == f"1 slide in both train and valid, with {len(of_train) / 300:.1%} of train and 25.0% of valid"
    )
    assert {(p.split, p.row) for p in check.groups[0]} == {("train", i) for i in of_train} | {
        ("valid", i) for i in range(30)
    }


def test_a_split_of_another_stain_and_one_of_one_class(clean: dict[str, Patches]) -> None:
    pale = 255 * (clean["test"].pixels / 255) ** 0.45
    clean["test"].pixels = pale.astype(np.uint8)
    clean["test"].labels[:] = 1
    report = audit(clean)
    assert report["stain"].verdict == "warn"
    assert "test" in report["stain"].line
    assert report["classes"].verdict == "fail"
    mean = {split: figures["haematoxylin"]["mean"] for split, figures in report.stain.items()}
    assert mean["test"] < 0.7 * mean["train"]


def test_stain_is_ruifrok_and_johnstons_optical_density() -> None:
    vectors = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    amount = np.array([0.9, 0.4])
    patch = np.rint(256 * np.exp(-amount @ vectors) - 1).astype(np.uint8)
    figures = audit(
        {"train": Patches(np.tile(patch, (3, 96, 96, 1)), groups=["a", "a", "b"])}
    ).stain["train"]
    assert figures["haematoxylin"]["mean"] == pytest.approx(0.9, abs=0.02)
    assert figures["eosin"]["mean"] == pytest.approx(0.4, abs=0.02)
    assert figures["eosin"]["sd_between_slides"] == pytest.approx(0, abs=1e-6)


def test_sources_without_labels_or_slides_are_audited(clean: dict[str, Patches]) -> None:
    bare = {split: Patches(patches.pixels) for split, patches in clean.items()}
    bare["train"].pixels[4] = bare["train"].pixels[2]
    report = audit(bare)
    assert {check.name for check in report.checks if check.verdict == "unknown"} == {
        "labels_equal", "labels_near", "slides", "swapped", "ids", "classes",
    }  # fmt: skip
    assert alarms(report) == {"equal_within"}
    assert report.splits["train"] == {
        "patches": 300,
        "positive": None,
        "slides": None,
        "distinct": 299,
        "shape": [96, 96, 3],
    }


@pytest.mark.parametrize("shape", [(64, 64), (100, 80), (20, 20), (30, 130)])
def test_patches_of_any_size_are_audited(clean: dict[str, Patches], shape: tuple[int, int]) -> None:
    small = np.stack(
        [
            cv2.resize(patch, shape[::-1], interpolation=cv2.INTER_AREA)
            for patch in clean["train"].pixels[:40]
        ]
    )
    small[11] = small[30]
    small[12] = turned(small[31], 3)
    report = audit({"train": Patches(small), "valid": clean["valid"]})
    assert found(report, "equal_within") == {(("train", 11), ("train", 30))}
    assert found(report, "near_within") == {(("train", 12), ("train", 31))}


def test_memory_is_bounded_by_reading_in_blocks(
    clean: dict[str, Patches], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[tuple[str, int, int]] = []
    audit(clean, lambda *step: steps.append(step))
    assert max(patches.most for patches in clean.values()) <= BLOCK < len(clean["train"])
    assert steps == [
        ("train", BLOCK, 300),
        ("train", 300, 300),
        ("valid", 120, 120),
        ("test", 120, 120),
    ]
    monkeypatch.setattr(survey, "BLOCK", 10)
    ahead: list[int] = []
    survey.survey(
        clean["train"], lambda done, of: ahead.append(clean["train"].last + 1 - done), threads=2
    )
    assert len(ahead) == 30
    assert max(ahead) <= 2 * 10  # what is read and not yet measured


def test_digests_are_the_sha1_of_the_pixels(clean: dict[str, Patches]) -> None:
    patches = clean["train"]
    wanted = [hashlib.sha1(patch.tobytes()).digest() for patch in patches.pixels]
    assert [digest.tobytes() for digest in digests(patches, threads=3)] == wanted
    assert digests(limit_source(patches, 5, 0)).shape == (5, 20)


def test_a_report_is_json(clean: dict[str, Patches]) -> None:
    clean["valid"].pixels[3] = 0
    content = json.loads(json.dumps(audit(clean).as_dict(), allow_nan=False))
    dark = next(check for check in content["checks"] if check["name"] == "dark")
    assert (dark["verdict"], dark["count"], dark["groups"]) == (
        "warn",
        1,
        [[["valid", 3, "valid-000003"]]],
    )
    assert content["verdict"] == "warn"


# Files -----------------------------------------------------------------------------------------------------------------


def test_kaggles_ids_that_are_not_their_pixels_are_found(tmp_path: Path) -> None:
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
    with pytest.raises(
        DataError,
        match=r"valid_meta.csv does not agree with the 12 labels of valid \(nor does .*test_meta.csv",
    ):
        PCamSource("valid", str(root))
    (root / f"{STEM}valid_meta.csv").unlink()
    assert PCamSource("valid", str(root)).groups is None


@pytest.mark.parametrize("part", ["y", "x"])
def test_trap_valid_and_test_files_that_are_each_others(
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


def test_checksums_are_the_ones_of_the_files_not_of_the_readme() -> None:
    table = checksums.HDF5
    assert set(table) == {f"{split}_{part}" for split in SIZES for part in "xy"}
    assert table["valid_y"] == (
        "2b85f58b927af9964a4c15b8f7e8f179",
        "94d8aacc249253159ce2a2e78a86e658",
    )
    digests = [*chain(*table.values()), checksums.TRAIN_META, *checksums.VALID_OR_TEST_META]
    assert len({digest for digest in digests if len(digest) == 32}) == 15


@pytest.mark.sample
@pytest.mark.skipif("PCAM_SAMPLE" not in os.environ, reason="PCAM_SAMPLE is not set")
def test_the_real_samples_209_copies_are_found() -> None:
    report = audit({"train": PCamSource("train", os.environ["PCAM_SAMPLE"])})
    groups = report["equal_within"].groups
    assert report["equal_within"].count == sum(len(group) - 1 for group in groups) == 209
    assert report.splits["train"]["distinct"] == 9791
    assert all(check.count < 50 for check in report.checks if check.name in FAULTY)
    assert report["labels_equal"].verdict == "pass"
    assert replace(report, checks=()).verdict == "pass"
