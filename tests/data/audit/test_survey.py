import hashlib

import numpy as np
import pytest

from pcam.data import duplicates
from pcam.data.audit.run import audit
from pcam.data.audit.survey import survey
from pcam.data.duplicates import BLOCK, digests
from pcam.data.limit import limit_source
from tests.data.audit.planted import Patches


def test_patches_are_read_in_blocks(
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
    monkeypatch.setattr(duplicates, "BLOCK", 10)
    ahead: list[int] = []
    survey(clean["train"], lambda done, of: ahead.append(clean["train"].last + 1 - done), threads=2)
    assert len(ahead) == 30
    assert max(ahead) <= 2 * 10  # patches read and not yet measured


def test_digests_are_the_sha1_of_the_pixels(clean: dict[str, Patches]) -> None:
    patches = clean["train"]
    wanted = [hashlib.sha1(patch.tobytes()).digest() for patch in patches.pixels]
    assert [digest.tobytes() for digest in digests(patches, threads=3)] == wanted
    assert digests(limit_source(patches, 5, 0)).shape == (5, 20)


def test_stain_is_the_optical_density_of_ruifrok_and_johnston() -> None:
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
