"""The head trained on features that are computed once: as if they were computed in each step."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pcam.errors import ConfigError
from pcam.evaluation.predictions import read_predictions
from pcam.evaluation.saved_run import open_run
from pcam.features.extractor import Extractor
from pcam.runs.files import read_metrics
from tests.run import composed, killed_after, train
from tests.training.runs import STUDY, equal_tensors, read_state, seen_patches

FROZEN = [
    *(*STUDY, "finetune=frozen", "trainer.max_epochs=3"),
    *("model.head.hidden=8", "model.head.dropout=0.2"),
]
PLAIN = [*FROZEN, "aug=none"]


def kept(folder: Path, *words: str) -> list[str]:
    return [*words, "features.use=true", f"features.cache={folder / 'cache'}"]


def assert_close(one: Path, other: Path) -> None:
    """Compare two runs: metrics of each epoch, predictions and weights, to 1e-5."""
    rows, others = read_metrics(one / "metrics.csv"), read_metrics(other / "metrics.csv")
    assert len(rows) == len(others) == 3
    for row, of_other in zip(rows, others, strict=True):
        assert row.keys() == of_other.keys()
        for name in row.keys() - {"seconds"}:
            expected = pytest.approx(float(of_other[name]), abs=1e-5, nan_ok=True)
            assert float(row[name]) == expected, name
    for split in ("valid", "test"):
        logit, expected = (
            read_predictions(run / "predictions" / f"{split}.csv").logit for run in (one, other)
        )
        np.testing.assert_allclose(logit, expected, atol=1e-5)
    assert all(equal_tensors(read_state(one, "network.backbone."), read_state(other, "network.b")))
    head, expected_head = read_state(one, "network.head."), read_state(other, "network.head.")
    for name, value in head.items():
        torch.testing.assert_close(value, expected_head[name], atol=1e-5, rtol=1e-4)


def test_the_head_learns_the_same_from_features(tmp_path: Path) -> None:
    train(tmp_path / "slow", *PLAIN)
    train(tmp_path / "fast", *kept(tmp_path, *PLAIN))
    assert_close(tmp_path / "fast", tmp_path / "slow")
    run = open_run(tmp_path / "fast")
    images = torch.zeros(2, 3, 96, 96, dtype=torch.uint8)
    assert run.model(images).shape == (2,)


@pytest.mark.slow
def test_patches_come_again_in_the_same_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*PLAIN, "data.train=96", "data.patches_per_epoch=150"]
    seen = seen_patches(monkeypatch)
    train(tmp_path / "slow", *words)
    slow = list(seen)
    train(tmp_path / "fast", *kept(tmp_path, *words))
    assert sum(map(len, slow)) == 3 * 144  # whole batches of 16
    assert seen[len(slow) :] == slow
    assert_close(tmp_path / "fast", tmp_path / "slow")


def test_as_many_copies_as_epochs_are_the_augmentation_of_each_epoch(tmp_path: Path) -> None:
    augmented = [*FROZEN, "aug=dihedral", "aug.batched=false", "crop=random", "crop.size=64"]
    train(tmp_path / "slow", *augmented)
    train(tmp_path / "fast", *kept(tmp_path, *augmented), "features.augment=3")
    assert_close(tmp_path / "fast", tmp_path / "slow")


def test_heads_seeds_and_rates_share_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = kept(tmp_path, *PLAIN)
    train(tmp_path / "first", *words)

    def refuse(self: Extractor, image: torch.Tensor) -> torch.Tensor:
        raise AssertionError("features are computed again")

    monkeypatch.setattr(Extractor, "__call__", refuse)
    others = ["seed=1", "model.head.hidden=4", "optimizer.head_lr=0.1", "model.weights=FILE"]
    others[-1] = f"model.weights={tmp_path / 'first' / 'checkpoints' / 'best.ckpt'}"
    train(tmp_path / "second", *words, *others)
    assert (tmp_path / "second" / "predictions" / "test.csv").is_file()
    assert len(list(tmp_path.glob("**/features.h5"))) == 3  # of train, valid and test


@pytest.mark.slow
def test_a_resumed_run_equals_an_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = kept(tmp_path, *PLAIN)
    train(tmp_path / "whole", *words)
    elsewhere = kept(tmp_path / "other", *PLAIN)  # where features are computed anew
    killed_after(monkeypatch, 1, tmp_path / "killed", *words)
    train(tmp_path / "killed", *elsewhere, resume=True)
    assert all(equal_tensors(read_state(tmp_path / "killed"), read_state(tmp_path / "whole")))


def test_float16_takes_half_the_room(tmp_path: Path) -> None:
    words = kept(tmp_path, *PLAIN)
    train(tmp_path / "half", *words, "features.dtype=float16")
    sizes = [path.stat().st_size for path in tmp_path.glob("cache/*/features.h5")]
    assert len(sizes) == 3
    assert max(sizes) < 96 * 96 * 4


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["aug=none"], "features.use=true needs finetune=frozen, not full"),
        (["finetune=frozen"], "features.use=true needs aug=none, or features.augment=K"),
        (
            ["finetune=frozen", "aug=none", "crop=random", "crop.size=32"],
            "features.use=true needs another crop.train than random",
        ),
        (["finetune=frozen", "aug=none", "aug.mixup=0.5"], "aug.mixup=0.5 must be 0"),
        (
            ["finetune=frozen", "features.augment=2", "aug.batched=true"],
            "aug.batched=true must be auto or false",
        ),
        (["finetune=frozen", "aug=none", "trainer.precision=64-true"], "trainer.precision"),
        (["finetune=frozen", "aug=none", "features.augment=-1"], "features.augment=-1"),
        (["finetune=frozen", "aug=none", "features.dtype=int8"], "features.dtype=int8"),
    ],
)
def test_features_that_change_are_refused(words: list[str], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        composed("features.use=true", *words)
