"""The loop over batches: the same patches get the same probabilities."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from pcam.data.crop import Crop
from pcam.data.sources.synthetic.source import SyntheticSource
from pcam.data.symmetries import D4, rotate
from pcam.errors import NotFiniteError
from pcam.evaluation.inference import (
    TTA,
    iterate_logits,
    predict_logits,
    predict_probabilities,
)
from pcam.evaluation.saved_run import SavedRun, crop_for_split, open_run, open_split


@pytest.fixture(scope="module")
def saved(run: Path) -> SavedRun:
    return open_run(run)


@pytest.fixture(scope="module")
def patches() -> np.ndarray:
    return SyntheticSource("train", 4).read(np.arange(4))


@pytest.mark.parametrize(("batch_size", "num_workers"), [(16, 0), (7, 1)])
@pytest.mark.parametrize("split", ["valid", "test"])
def test_a_run_predicts_again_what_its_training_predicted(
    saved: SavedRun, split: str, batch_size: int, num_workers: int
) -> None:
    config = saved.config
    assert not saved.model.training
    source = open_split(config.data, config.splits, config.seed, split)
    crop = crop_for_split(config, split)
    again = predict_probabilities(saved.model, source, crop, batch_size, num_workers)
    with (saved.folder / "predictions" / f"{split}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == list(source.ids)
    assert [row["slide"] for row in rows] == list(source.groups)
    np.testing.assert_allclose(again, [float(row["probability"]) for row in rows], atol=1e-6)


def test_the_loop_returns_the_log_odds_of_each_view() -> None:
    images = torch.arange(2 * 3 * 4 * 4).reshape(2, 3, 4, 4)

    def network(batch: torch.Tensor) -> torch.Tensor:
        return batch[:, 0, 0, 0].float()

    (logits,) = iterate_logits(network, [images], D4)
    expected = [network(rotate(images, symmetry)).tolist() for symmetry in D4]
    assert logits.tolist() == expected
    assert logits.dtype == torch.float64


def test_log_odds_of_an_array_are_those_of_the_network(
    saved: SavedRun, patches: np.ndarray
) -> None:
    with torch.inference_mode():
        expected = (
            saved.model.network(torch.from_numpy(patches).permute(0, 3, 1, 2)).double().numpy()
        )
    found = predict_logits(saved.model, patches, batch_size=3)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("tta", ["d4", "flips"])
def test_test_time_augmentation_treats_its_symmetries_alike(
    saved: SavedRun, patches: np.ndarray, tta: str
) -> None:
    images = torch.from_numpy(patches).permute(0, 3, 1, 2)

    def probability(view: torch.Tensor, name: str) -> np.ndarray:
        with torch.inference_mode():
            views = [torch.sigmoid(saved.model.network(rotate(view, one))) for one in TTA[name]]
            return torch.stack(views).mean(0).numpy()

    views = [rotate(images, symmetry) for symmetry in TTA[tta]]
    single = np.stack([probability(view, "none") for view in views])
    assert np.ptp(single, axis=0).min() > 1e-4  # the network itself distinguishes the views
    averaged = np.stack([probability(view, tta) for view in views])
    assert np.ptp(averaged, axis=0).max() < 1e-5


def test_probabilities_are_averaged_over_the_symmetries(
    saved: SavedRun, patches: np.ndarray
) -> None:
    source = SyntheticSource("train", 4)
    found = predict_probabilities(saved.model, source, Crop("none"), 3, 0, "d4")
    images = torch.from_numpy(patches).permute(0, 3, 1, 2)
    with torch.inference_mode():
        views = [torch.sigmoid(saved.model.network(rotate(images, symmetry))) for symmetry in D4]
    np.testing.assert_allclose(found, torch.stack(views).mean(0).numpy(), atol=1e-6)


def test_an_output_that_is_not_finite_names_the_patches(
    saved: SavedRun, patches: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = SyntheticSource("train", 4)
    brightest = int(patches.sum((1, 2, 3)).argmax())
    patches_alone = Crop("none")

    def score(images: torch.Tensor, *_: object) -> torch.Tensor:
        light = images.float().sum((1, 2, 3))
        return torch.where(light == light.max(), torch.inf, 0.0)

    monkeypatch.setattr(saved.model.network, "forward", score)
    with pytest.raises(NotFiniteError, match=rf"not finite for .*\({source.ids[brightest]}\)"):
        predict_probabilities(saved.model, source, patches_alone, 4, 0, "d4")
    with pytest.raises(NotFiniteError, match=rf"not finite for .*\(image {brightest}\)"):
        predict_logits(saved.model, patches, batch_size=4)
