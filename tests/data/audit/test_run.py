import json
import os
from dataclasses import replace

import cv2
import numpy as np
import pytest

from pcam.data.audit.run import audit
from pcam.data.sources.pcam import PCamSource
from pcam.data.sources.synthetic.source import SyntheticSource
from tests.data.audit.planted import FAULTS, SIZES, Patches, groups_of, problems, transformed


def test_clean_patches_have_no_problems(clean: dict[str, Patches]) -> None:
    report = audit(clean)
    assert problems(report) == set()
    assert report.verdict == "pass"
    assert report["slides"].verdict == "pass"


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_clean_patches_of_all_stains_have_no_problems(seed: int) -> None:
    sources = {split: SyntheticSource(split, 400, seed, slides=24, cache=False) for split in SIZES}
    assert problems(audit(sources)) == set()


def test_sources_without_labels_or_slides_are_audited(clean: dict[str, Patches]) -> None:
    bare = {split: Patches(patches.pixels) for split, patches in clean.items()}
    bare["train"].pixels[4] = bare["train"].pixels[2]
    report = audit(bare)
    assert {check.name for check in report.checks if check.verdict == "unknown"} == {
        "labels_equal", "labels_near", "slides", "swapped", "ids", "classes",
    }  # fmt: skip
    assert problems(report) == {"equal_within"}
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
    small[12] = transformed(small[31], 3)
    report = audit({"train": Patches(small), "valid": clean["valid"]})
    assert groups_of(report, "equal_within") == {(("train", 11), ("train", 30))}
    assert groups_of(report, "near_within") == {(("train", 12), ("train", 31))}


def test_an_audit_is_json(clean: dict[str, Patches]) -> None:
    clean["valid"].pixels[3] = 0
    content = json.loads(json.dumps(audit(clean).as_dict(), allow_nan=False))
    dark = next(check for check in content["checks"] if check["name"] == "dark")
    assert (dark["verdict"], dark["count"], dark["groups"]) == (
        "warn",
        1,
        [[["valid", 3, "valid-000003"]]],
    )
    assert content["verdict"] == "warn"


@pytest.mark.sample
@pytest.mark.skipif("PCAM_SAMPLE" not in os.environ, reason="PCAM_SAMPLE is not set")
def test_the_209_copies_of_the_real_sample_are_found() -> None:
    report = audit({"train": PCamSource("train", os.environ["PCAM_SAMPLE"])})
    groups = report["equal_within"].groups
    assert report["equal_within"].count == sum(len(group) - 1 for group in groups) == 209
    assert report.splits["train"]["distinct"] == 9791
    assert all(check.count < 50 for check in report.checks if check.name in FAULTS)
    assert report["labels_equal"].verdict == "pass"
    assert replace(report, checks=()).verdict == "pass"
