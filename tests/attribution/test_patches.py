import numpy as np
import pytest

from pcam.attribution.patches import caption, choose_patches, find_ids, read_patches
from pcam.config.schema import PatchChoice
from pcam.data.crop import Crop
from pcam.data.sources.synthetic.source import SyntheticSource
from pcam.errors import DataError
from pcam.stats.logodds import log_odds

SOURCE = SyntheticSource("test", 40)
NOISE = np.random.default_rng(0).normal(0, 0.25, 40)
PROBABILITY = np.clip(np.where(SOURCE.labels == 1, 0.7, 0.3) + NOISE, 0.01, 0.99)


def choose(pick: str, seed: int = 0) -> list[int]:
    config = PatchChoice(pick=pick, n=3, ids=None)
    return choose_patches(config, SOURCE, log_odds(PROBABILITY), seed).tolist()


def test_n_of_each_outcome_by_seed() -> None:
    chosen = choose("outcomes")
    expected = []
    for label, predicted in ((1, 1), (0, 1), (0, 0), (1, 0)):
        available = (SOURCE.labels == label) & ((PROBABILITY >= 0.5) == bool(predicted))
        expected += [(label, predicted)] * min(3, int(available.sum()))
    assert [(int(SOURCE.labels[i]), int(PROBABILITY[i] >= 0.5)) for i in chosen] == expected
    assert chosen == choose("outcomes")
    assert chosen != choose("outcomes", seed=1)


def test_the_most_and_the_least_certain() -> None:
    distance = np.abs(PROBABILITY - 0.5)
    assert set(choose("certain")) == set(np.argsort(-distance)[:3])
    assert set(choose("uncertain")) == set(np.argsort(distance)[:3])


def test_the_most_certain_of_patches_whose_probability_is_1() -> None:
    config = PatchChoice(pick="certain", n=2, ids=None)
    logit = np.linspace(40, 60, 40)
    assert choose_patches(config, SOURCE, logit, 0).tolist() == [39, 38]


def test_by_id() -> None:
    assert find_ids([SOURCE.ids[7], SOURCE.ids[2]], SOURCE).tolist() == [7, 2]
    with pytest.raises(DataError, match=r"tost-000007 is not among this split's.*test-00000"):
        find_ids(["tost-000007"], SOURCE)


def test_regions_are_cropped_with_the_patches() -> None:
    index = np.arange(6)
    whole = read_patches(SOURCE, index, Crop("none"), centre_labelled=True)
    assert whole.images.shape == (6, 3, 96, 96)
    assert whole.regions["centre"].sum((1, 2)).tolist() == [32 * 32] * 6
    assert np.array_equal(whole.regions["tumour"].numpy(), SOURCE.masks(index))
    small = read_patches(SOURCE, index, Crop("center", 48), centre_labelled=True)
    assert np.array_equal(small.regions["tumour"].numpy(), SOURCE.masks(index)[:, 24:72, 24:72])
    assert small.squares[:, 8:40, 8:40].all()


def test_regions_and_patches_are_cropped_at_the_same_random_place() -> None:
    index = np.arange(6)
    whole = read_patches(SOURCE, index, Crop("none"), centre_labelled=True)
    random = read_patches(SOURCE, index, Crop("random", 64, 3), centre_labelled=True)
    for i in range(6):
        windows = np.lib.stride_tricks.sliding_window_view(whole.pictures[i], (64, 64), (0, 1))
        target = random.pictures[i].transpose(2, 0, 1)
        ((top, left),) = np.argwhere((windows == target).all((2, 3, 4)))
        place = (i, slice(top, top + 64), slice(left, left + 64))
        assert np.array_equal(random.squares[i], whole.squares[place])
        assert np.array_equal(random.regions["tumour"][i], whole.regions["tumour"][place])


def test_without_the_labelling_rule_there_is_no_centre() -> None:
    patches = read_patches(SOURCE, np.arange(6), Crop("none"), centre_labelled=False)
    assert "centre" not in patches.regions
    assert patches.squares is None


def test_a_ring_hides_the_centre_and_moves_no_region() -> None:
    index = np.arange(6)
    ring = read_patches(SOURCE, index, Crop("ring", 32), centre_labelled=True)
    assert np.array_equal(ring.regions["tumour"].numpy(), SOURCE.masks(index))
    assert ring.regions["centre"].sum((1, 2)).tolist() == [32 * 32] * 6
    assert ring.regions["deciding"].any()
    assert ring.pictures[0, 40:56, 40:56].std((0, 1)).max() == 0


def test_captions() -> None:
    positive = int(np.flatnonzero(SOURCE.labels == 1)[0])
    assert caption(SOURCE, positive, 0.25).split("\n") == [
        SOURCE.ids[positive],
        "false negative",
        "positive, probability of positive 0.250",
    ]
