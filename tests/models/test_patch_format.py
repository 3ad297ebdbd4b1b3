"""A classifier that is loaded by hand sees what its run showed it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pcam.errors import DataError
from pcam.evaluation.inference import predict_logits
from pcam.models.classifier import PatchClassifier
from pcam.runs.folder import best_checkpoint
from tests.conftest import SMALL, TINY
from tests.run import train

PATCHES = np.random.default_rng(0).integers(0, 256, (5, 96, 96, 3), np.uint8)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> PatchClassifier:
    folder: Path = tmp_path_factory.mktemp("run")
    train(folder, *TINY, *SMALL, "trainer.max_epochs=1", "crop=center", "crop.size=64")
    return PatchClassifier.load(best_checkpoint(folder))


def images(patches: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(patches)).permute(0, 3, 1, 2)


@torch.inference_mode()
def test_whole_patches_are_cropped_as_the_run_crops_them(model: PatchClassifier) -> None:
    cropped = PATCHES[:, 16:80, 16:80]
    expected = predict_logits(model, np.ascontiguousarray(cropped), 8)
    np.testing.assert_allclose(model(images(PATCHES)), expected, atol=1e-5)
    np.testing.assert_allclose(model(images(cropped)), expected, atol=1e-5)


def test_a_checkpoint_says_what_it_was_trained_on(model: PatchClassifier) -> None:
    found = model.patch_format
    assert found is not None
    assert found.classes == ("normal", "tumour")
    assert (found.height, found.width, found.crop, found.crop_size) == (96, 96, "center", 64)


def test_other_types_ranges_and_sizes_are_refused(model: PatchClassifier) -> None:
    with pytest.raises(DataError, match="float32, not uint8; pass pixels from 0 to 255"):
        model(images(PATCHES).float() / 255)
    with pytest.raises(DataError, match="int64, not uint8"):
        model(images(PATCHES).long())
    with pytest.raises(DataError, match=r"shape \(5, 96, 96, 3\), not \(B, 3, H, W\)"):
        model(torch.from_numpy(PATCHES))
    with pytest.raises(DataError, match="80x80 pixels, the network was trained on 96x96"):
        model(images(PATCHES[:, :80, :80]))
