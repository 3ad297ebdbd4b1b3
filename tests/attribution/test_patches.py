import numpy as np
import pytest

from pcam.attribution.patches import caption, choose, indices_of_ids, read
from pcam.data.crop import Crop
from pcam.data.sources.synthetic.source import SyntheticSource
from pcam.errors import DataError

SOURCE = SyntheticSource("test", 40)
PROBABILITY = np.clip(
    np.where(SOURCE.labels == 1, 0.7, 0.3) + np.random.default_rng(0).normal(0, 0.25, 40),
    0.01,
    0.99,
)


def asked(**settings: object) -> dict[str, object]:
    return {"pick": "outcomes", "n": 3, **settings}


def test_n_of_each_outcome_by_seed() -> None:
    chosen = choose(asked(), SOURCE, PROBABILITY, 0)
    outcomes = [(int(SOURCE.labels[i]), int(PROBABILITY[i] >= 0.5)) for i in chosen]
    sizes = [min(3, int(((SOURCE.labels == label) & ((PROBABILITY >= 0.5) == bool(called))).sum()))
             for label, called in ((1, 1), (0, 1), (0, 0), (1, 0))]  # fmt: skip
    expected = [
        o
        for o, size in zip([(1, 1), (0, 1), (0, 0), (1, 0)], sizes, strict=True)
        for _ in range(size)
    ]
    assert outcomes == expected
    assert chosen.tolist() == choose(asked(), SOURCE, PROBABILITY, 0).tolist()
    assert chosen.tolist() != choose(asked(), SOURCE, PROBABILITY, 1).tolist()


def test_the_most_and_the_least_certain() -> None:
    distance = np.abs(PROBABILITY - 0.5)
    assert set(choose(asked(pick="certain"), SOURCE, PROBABILITY, 0)) == set(
        np.argsort(-distance)[:3]
    )
    assert set(choose(asked(pick="uncertain"), SOURCE, PROBABILITY, 0)) == set(
        np.argsort(distance)[:3]
    )


def test_by_id() -> None:
    ids = [SOURCE.ids[7], SOURCE.ids[2]]
    assert indices_of_ids(ids, SOURCE).tolist() == [7, 2]
    with pytest.raises(DataError, match=r"tost-000007 is none of this split's.*test-00000"):
        indices_of_ids(["tost-000007"], SOURCE)


def test_regions_are_cropped_with_the_patches() -> None:
    index = np.arange(6)
    whole = read(SOURCE, index, Crop("none"), "synthetic")
    assert whole.images.shape == (6, 3, 96, 96)
    assert whole.regions["centre"].sum((1, 2)).tolist() == [32 * 32] * 6
    assert np.array_equal(whole.regions["tumour"].numpy(), SOURCE.masks(index))
    small = read(SOURCE, index, Crop("center", 48), "synthetic")
    assert np.array_equal(small.regions["tumour"].numpy(), SOURCE.masks(index)[:, 24:72, 24:72])
    assert small.squares[:, 8:40, 8:40].all()
    random = read(SOURCE, index, Crop("random", 64, 3), "synthetic")
    for i in range(6):  # the same place in the pixels, the square and the mask
        found = [
            (top, left)
            for top in range(33)
            for left in range(33)
            if np.array_equal(random.shown[i], whole.shown[i, top : top + 64, left : left + 64])
        ]
        (top, left) = found[0]
        assert np.array_equal(random.squares[i], whole.squares[i, top : top + 64, left : left + 64])
        assert np.array_equal(
            random.regions["tumour"][i],
            whole.regions["tumour"][i, top : top + 64, left : left + 64],
        )
    assert "centre" not in read(SOURCE, index, Crop("none"), "folder").regions


def test_a_ring_hides_the_centre_and_moves_no_region() -> None:
    index = np.arange(6)
    ring = read(SOURCE, index, Crop("ring", 32), "synthetic")
    assert np.array_equal(ring.regions["tumour"].numpy(), SOURCE.masks(index))
    assert ring.regions["centre"].sum((1, 2)).tolist() == [32 * 32] * 6
    assert ring.regions["deciding"].any()
    assert ring.shown[0, 40:56, 40:56].std((0, 1)).max() == 0


def test_captions_say_what_a_patch_is() -> None:
    positive = int(np.flatnonzero(SOURCE.labels == 1)[0])
    assert caption(SOURCE, positive, 0.25).split("\n") == [
        SOURCE.ids[positive],
        "false negative",
        "label 1, probability 0.250",
    ]
