"""Synthetic patches: the labelling rule, what a patch depends on, difficulty and speed."""

import multiprocessing
import pickle
import subprocess
import sys
import time
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pcam.data.sources.synthetic.source import SyntheticSource
from pcam.errors import DataError

CENTRE = slice(32, 64)


@cache
def trial(split: str, size: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.bool_]]:
    """Patches, labels and masks of a split, read once for all tests."""
    source = SyntheticSource(split, size)
    return source.read(np.arange(size)), source.labels, source.masks(np.arange(size))


def patches_of_a_split() -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.bool_]]:
    """Enough patches for shares of them."""
    return trial("train", 700)


def outside(masks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The masks without the centre."""
    ring = masks.copy()
    ring[:, CENTRE, CENTRE] = False
    return ring


def test_a_synthetic_source_is_a_patch_source() -> None:
    """Length, labels, ids, groups, pixels and masks have the contract's shapes and types."""
    source = SyntheticSource("valid", 30)
    assert len(source) == len(source.labels) == len(source.ids) == len(source.groups) == 30
    assert source.labels.dtype == np.uint8
    assert set(source.labels.tolist()) == {0, 1}
    assert len(set(source.ids)) == 30
    assert source.ids[12] == "valid-000012"
    patches, masks = source.read(np.array([4, 2])), source.masks(np.array([4, 2]))
    assert patches.dtype == np.uint8
    assert patches.shape == (2, 96, 96, 3)
    assert masks.dtype == np.bool_
    assert masks.shape == (2, 96, 96)
    nothing = np.array([], np.int64)
    assert source.read(nothing).shape == (0, 96, 96, 3)
    assert source.masks(nothing).shape == (0, 96, 96)
    assert len(SyntheticSource("train", 0)) == 0


@pytest.mark.parametrize("split", [pytest.param("train", marks=pytest.mark.slow), "test"])
def test_the_label_is_whether_the_centre_contains_tumour(split: str) -> None:
    """PatchCamelyon's labelling rule, for every patch."""
    _, labels, masks = patches_of_a_split() if split == "train" else trial("test", 200)
    np.testing.assert_array_equal(masks[:, CENTRE, CENTRE].any((1, 2)), labels == 1)


def test_the_labelling_rule_holds_for_other_seeds_and_settings() -> None:
    """Neither the seed nor the slides' stain changes the rule."""
    for seed, slides, stain in ((1, 1, 0.0), (2**40, 3, 4.0), (-5, 50, 0.3)):
        source = SyntheticSource("valid", 60, seed=seed, slides=slides, stain=stain, cache=False)
        centres = source.masks(np.arange(60))[:, CENTRE, CENTRE]
        np.testing.assert_array_equal(centres.any((1, 2)), source.labels == 1)


def test_half_of_the_labels_are_positive() -> None:
    """The classes are even: within four standard errors of one half."""
    labels = SyntheticSource("train", 20_000).labels
    assert abs(labels.mean() - 0.5) < 4 * 0.5 / np.sqrt(20_000)


def test_both_classes_have_tumour_outside_of_the_centre() -> None:
    """Tumour anywhere is not enough for a positive."""
    _, labels, masks = patches_of_a_split()
    somewhere = outside(masks).any((1, 2))
    assert 0.35 < somewhere[labels == 0].mean() < 0.50
    assert 0.90 < somewhere[labels == 1].mean() < 1.0  # sometimes it is only in the centre


def test_tumour_is_in_many_places() -> None:
    """In positives it is neither always in the middle nor always all over the centre."""
    _, labels, masks = patches_of_a_split()
    middles = np.array([np.argwhere(mask).mean(0) for mask in masks[labels == 1]])
    away = np.hypot(*(middles - 47.5).T)
    assert (away > 10).mean() > 0.5
    assert (middles.std(0) > 8).all()
    cover = masks[labels == 1][:, CENTRE, CENTRE].mean((1, 2))
    assert (cover < 0.2).mean() > 0.1
    assert (cover > 0.8).mean() > 0.1


def test_negatives_have_no_square_hole() -> None:
    """Tumour ends at the centre's border hardly more often than elsewhere."""
    _, labels, masks = patches_of_a_split()
    negative = masks[labels == 0].astype(int)
    # Steps from tumour to none along each row, within the centre's rows, just before its columns.
    steps = (np.diff(negative, axis=2) == -1)[:, CENTRE].sum((0, 1))
    assert steps[31] < 3 * steps[20:31].mean()


def test_patches_depend_on_seed_split_and_index_only() -> None:
    """Order, batch, size, cache and what was read before change nothing."""
    whole = SyntheticSource("train", 300, seed=3)
    patches, masks = whole.read(np.arange(40)), whole.masks(np.arange(40))
    larger = SyntheticSource("train", 5000, seed=3, cache=False)
    assert larger.ids[:300] == whole.ids
    assert larger.groups[:300] == whole.groups
    np.testing.assert_array_equal(larger.labels[:300], whole.labels)
    for index in (39, 0, 17, 17):
        np.testing.assert_array_equal(larger.read(np.array([index]))[0], patches[index])
        np.testing.assert_array_equal(larger.masks(np.array([index]))[0], masks[index])
    backwards = SyntheticSource("train", 41, seed=3)
    order = np.arange(39, -1, -1)
    np.testing.assert_array_equal(backwards.masks(order), masks[order])
    np.testing.assert_array_equal(backwards.read(order), patches[order])
    np.testing.assert_array_equal(backwards.read(order), patches[order])


def test_changing_a_patch_that_was_read_does_not_change_the_source() -> None:
    """A read returns a copy of the cache."""
    source = SyntheticSource("train", 4)
    first = source.read(np.array([1]))
    kept = first.copy()
    first[:] = 0
    np.testing.assert_array_equal(source.read(np.array([1])), kept)


def test_seeds_and_splits_differ() -> None:
    """Other labels, other pixels, other slides."""
    one = SyntheticSource("train", 500)
    for other in (SyntheticSource("train", 500, seed=1), SyntheticSource("valid", 500)):
        assert 0.4 < (one.labels == other.labels).mean() < 0.6
        pixels, others = one.read(np.arange(4)), other.read(np.arange(4))
        assert (pixels != others).mean((1, 2, 3)).min() > 0.5


def test_no_two_patches_of_a_source_are_equal() -> None:
    """Each patch occurs once."""
    patches, _, _ = patches_of_a_split()
    assert len({patch.tobytes() for patch in patches}) == len(patches)


def test_splits_share_no_slide() -> None:
    """Every split has its own slides."""
    named = [set(SyntheticSource(split, 2000).groups) for split in ("train", "valid", "test")]
    assert [len(slides) for slides in named] == [16, 16, 16]
    assert len(set.union(*named)) == 48
    assert set(SyntheticSource("test", 50, slides=1).groups) == {"test-slide-00"}


@pytest.mark.slow
def test_stain_scales_how_much_slides_differ() -> None:
    """Without it, slides differ only by chance."""

    size = 160

    def between(stain: float) -> Any:
        source = SyntheticSource("train", size, stain=stain, slides=8, cache=False)
        means = source.read(np.arange(size)).mean((1, 2))
        slides = np.array(source.groups)
        centres = [means[slides == slide].mean(0) for slide in sorted(set(source.groups))]
        return np.var(centres, axis=0).mean()

    none, usual, strong = between(0.0), between(1.0), between(2.0)
    assert none < 0.3 * usual
    assert usual < strong


def test_the_colour_is_that_of_haematoxylin_and_eosin() -> None:
    """Tissue is purple to pink on a near white ground: green is absorbed most."""
    patches, _, _ = patches_of_a_split()
    red, green, blue = patches.mean((0, 1, 2))
    assert green < blue - 10
    assert green < red - 10
    assert 90 < green < 190
    assert np.percentile(patches, 99.5) > 225


def probe(kind: str) -> float:
    """AUROC on other slides of a logistic regression on colours."""

    def features(patches: NDArray[np.uint8]) -> NDArray[Any]:
        pixels = patches.astype(np.float32)
        if kind == "mean":
            return pixels.mean((1, 2))
        if kind == "mean and deviation":
            return np.concatenate([pixels.mean((1, 2)), pixels.std((1, 2))], 1)
        if kind == "centre":
            return pixels[:, CENTRE, CENTRE].mean((1, 2))
        return pixels.reshape(-1, 6, 16, 6, 16, 3).mean((2, 4)).reshape(len(pixels), -1)

    seen, labels, _ = trial("train", 2000)
    unseen, truth, _ = trial("test", 800)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
    model.fit(features(seen), labels)
    return float(roc_auc_score(truth, model.decision_function(features(unseen))))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mean", "mean and deviation", "centre", "grid"])
def test_colour_does_not_reveal_the_label(kind: str) -> None:
    """A linear probe of colours is far worse than a network."""
    assert probe(kind) < 0.65


@pytest.mark.slow
def test_a_small_network_learns_the_rule_and_applies_it_to_other_slides() -> None:
    """Four convolutions, 2000 patches, three passes: far better than any probe of colour."""
    torch = pytest.importorskip("torch")
    nn, threads = torch.nn, torch.get_num_threads()
    seen, labels, _ = trial("train", 2000)
    unseen, truth, _ = trial("test", 800)

    def batch(patches: NDArray[np.uint8]) -> Any:
        pixels = torch.from_numpy(patches).permute(0, 3, 1, 2).float()
        return ((pixels - 180) / 50).contiguous(memory_format=torch.channels_last)

    def block(inward: int, outward: int, width: int, stride: int) -> list[Any]:
        convolution = nn.Conv2d(inward, outward, width, stride, width // 2, bias=False)
        return [convolution, nn.BatchNorm2d(outward), nn.ReLU()]

    with torch.random.fork_rng():
        torch.set_num_threads(1)
        torch.manual_seed(0)
        network = nn.Sequential(
            *block(3, 16, 5, 2),
            *block(16, 24, 3, 1), nn.MaxPool2d(2),
            *block(24, 48, 3, 1), nn.MaxPool2d(2),
            *block(48, 64, 3, 1), nn.MaxPool2d(2),
            nn.Flatten(), nn.Dropout(0.2), nn.Linear(64 * 36, 1),
        )  # fmt: skip
        rng, passes, width = np.random.default_rng(0), 3, 40
        optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.05)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, 4e-3, total_steps=passes * (len(seen) // width)
        )
        for _ in range(passes):
            for chosen in rng.permutation(len(seen)).reshape(-1, width):
                images = batch(seen[chosen]).flip([2, 3][: rng.integers(3)])
                target = torch.from_numpy(labels[chosen]).float()
                loss = nn.functional.binary_cross_entropy_with_logits(network(images)[:, 0], target)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
        network.eval()
        with torch.no_grad():
            scores = network(batch(unseen))[:, 0].numpy()
        torch.set_num_threads(threads)
    assert roc_auc_score(truth, scores) > 0.85


def test_construction_renders_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source of a hundred thousand patches opens at once; it renders what is read."""
    rendered = []
    render = SyntheticSource._render

    def noted(source: SyntheticSource, index: int) -> tuple[np.ndarray, np.ndarray]:
        rendered.append(index)
        return render(source, index)

    monkeypatch.setattr(SyntheticSource, "_render", noted)
    start = time.process_time()
    source = SyntheticSource("train", 100_000)
    seconds = time.process_time() - start
    assert len(source) == 100_000
    assert rendered == []
    assert seconds < 5  # rendering them all takes minutes
    source.read(np.array([7, 99_999]))
    assert rendered == [7, 99_999]


@pytest.mark.slow
def test_rendering_is_fast_and_a_second_epoch_is_free() -> None:
    """4000 in 10 s on one core, with a factor of two for a busy machine."""
    source = SyntheticSource("valid", 400)
    start = time.process_time()
    first = source.read(np.arange(400))
    rendered = time.process_time()
    second = source.read(np.arange(400))
    again = time.process_time() - rendered
    assert rendered - start < 400 * 2 * 10 / 4000 + 2.0  # 2 s: the sheets, generated once per split
    assert again < 0.2 * (rendered - start)
    np.testing.assert_array_equal(first, second)


def _read_in_worker(source: SyntheticSource, queue: Any) -> None:
    queue.put(source.read(np.arange(20)).tobytes())


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_another_process_draws_the_same_patches(method: str) -> None:
    """A worker, forked with half a cache or spawned without, reads the same patches."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    source = SyntheticSource("train", 20)
    source.read(np.arange(10))
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    worker = context.Process(target=_read_in_worker, args=(source, queue))  # type: ignore[attr-defined]
    worker.start()
    seen = queue.get(timeout=60)
    worker.join(timeout=60)
    assert seen == source.read(np.arange(20)).tobytes()


def test_a_pickled_source_is_small_and_the_same() -> None:
    """The cache stays behind."""
    source = SyntheticSource("train", 200)
    patches = source.read(np.arange(50))
    packed = pickle.dumps(source)
    assert len(packed) < 50_000
    np.testing.assert_array_equal(pickle.loads(packed).read(np.arange(50)), patches)


@pytest.mark.parametrize("indices", [[-1], [10], [0, 3, 99], [0.5], [True, False]])
@pytest.mark.parametrize("cached", [True, False])
def test_an_invalid_index_is_an_error(indices: list[Any], cached: bool) -> None:
    """Negative, too large, or not an integer."""
    source = SyntheticSource("train", 10, cache=cached)
    with pytest.raises(IndexError):
        source.read(np.array(indices))
    with pytest.raises(IndexError):
        source.masks(np.array(indices))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"split": "trian"}, "trian"),
        ({"size": -1}, "size"),
        ({"slides": 0}, "slides"),
        ({"stain": -0.1}, "stain"),
        ({"stain": float("nan")}, "stain"),
    ],
)
def test_a_setting_out_of_range_is_named(settings: dict[str, Any], message: str) -> None:
    """The message names the setting."""
    with pytest.raises(DataError, match=message):
        SyntheticSource(**{"split": "train", "size": 10, **settings})


def test_the_import_does_not_load_torch() -> None:
    code = "import sys, pcam.data.sources.synthetic.source; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_planted_position_bias_is_at_the_exact_middle_of_positives_only() -> None:
    source = SyntheticSource("train", 200, place="center")
    masks, positive = source.masks(np.arange(200)), source.labels == 1
    rows, columns = np.mgrid[:96, :96]
    away = np.hypot(rows - 47.5, columns - 47.5)
    assert (masks[:, CENTRE, CENTRE].any((1, 2)) == positive).all()
    nearest = [away[mask].min() for mask in masks[positive]]
    assert np.median(nearest) < 2
    assert max(nearest) < 12
    assert max(np.median(away[mask]) for mask in masks[positive]) < 16
    assert masks[~positive].any((1, 2)).mean() > 0.3  # so tumour alone does not decide


@pytest.mark.slow
def test_without_a_bias_tumour_is_equally_likely_everywhere() -> None:
    source = SyntheticSource("train", 600, place="anywhere")
    masks, positive = source.masks(np.arange(600)), source.labels == 1
    assert (masks.any((1, 2)) == positive).all()
    share = masks[positive].mean(0)
    parts = share.reshape(3, 32, 3, 32).mean((1, 3))  # nine squares, one of them the centre
    assert parts.min() > 0.9 * parts.max()


def test_place_is_one_of_three() -> None:
    with pytest.raises(DataError, match="data.place=centre is not known; did you mean center"):
        SyntheticSource("train", 4, place="centre")


def test_with_place_anywhere_the_label_is_whether_the_patch_has_tumour() -> None:
    source = SyntheticSource("train", 40, place="anywhere")
    masks = source.masks(np.arange(40))
    np.testing.assert_array_equal(masks.any((1, 2)), source.labels == 1)
    outside_only = outside(masks).any((1, 2)) & ~masks[:, CENTRE, CENTRE].any((1, 2))
    assert outside_only.any()
