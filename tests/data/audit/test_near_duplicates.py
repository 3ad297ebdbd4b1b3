import numpy as np
import pytest

from pcam.data.audit import near_duplicates
from pcam.data.audit.measures import LUMA, average_areas
from pcam.data.audit.run import audit
from pcam.data.duplicates import BLOCK
from tests.data.audit.planted import Patches, groups_of


def test_a_common_edge_does_not_make_patches_near_equal(clean: dict[str, Patches]) -> None:
    tissue = clean["train"].pixels[:40] * 0.5
    tissue[:, :, 40:] = 255  # half of each is white, so the edge is most of the picture
    images = (average_areas(tissue.astype(np.uint8), near_duplicates.SIDE) @ LUMA).astype(
        np.float32
    )
    as_it_is = np.zeros(20, np.int64)
    whole, _ = near_duplicates.similarity(images[:20], images[20:], as_it_is)
    assert (whole > near_duplicates.MIN_CORRELATION).any()
    assert not near_duplicates.are_near_equal(images[:20], images[20:], as_it_is).any()
    assert near_duplicates.are_near_equal(images[:20], images[:20], as_it_is).all()


def test_many_patches_of_one_hash_are_compared_in_blocks(
    clean: dict[str, Patches], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(near_duplicates, "PAIRS", 16)
    train, rng = clean["train"], np.random.default_rng(0)
    noisy = np.clip(train.pixels[0] + rng.normal(0, 3, (200, 96, 96, 3)), 0, 255).astype(np.uint8)
    train.pixels[100:], train.labels[100:] = noisy, train.labels[0]
    report = audit(clean)
    assert groups_of(report, "near_within") == {
        (("train", 0), *(("train", k) for k in range(100, 300)))
    }
    assert train.most <= BLOCK
