"""What only torch or Lightning can find is one line."""

from pathlib import Path

import pytest
import torch

from pcam.errors import ConfigError
from pcam.training.library_errors import library_errors_reported
from tests.run import train
from tests.training.runs import STUDY


@pytest.mark.parametrize("word", ["data.batch_size=1", "data.limit=1"])
def test_a_batch_of_one_patch_and_batchnorm(word: str, tmp_path: Path) -> None:
    head = ["model.head.hidden=4", "model.head.batch_norm=true", "trainer.max_epochs=1"]
    with pytest.raises(ConfigError, match="BatchNorm needs more than one value per channel, and"):
        train(tmp_path, *STUDY, *head, word)


def test_an_epoch_of_one_patch_and_batchnorm_names_the_key_that_made_it(tmp_path: Path) -> None:
    words = ["model.head.hidden=4", "model.head.batch_norm=true", "trainer.max_epochs=1"]
    with pytest.raises(ConfigError) as caught:
        train(tmp_path, *STUDY, *words, "data.patches_per_epoch=1")
    (line,) = caught.value.faults
    assert "set data.patches_per_epoch to at least 2, not 1, or model.head.batch_norm=false" in line
    assert "data.batch_size" not in line


def test_a_share_of_the_epoch_without_a_batch(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        train(tmp_path, *STUDY, "trainer.limit_train_batches=1e-9")
    assert str(caught.value).startswith("trainer: You requested to check 1e-09 of the")
    assert "\n" not in str(caught.value)


def test_no_memory_left_on_a_gpu() -> None:
    expected = "lower data.batch_size, and raise trainer.accum"
    with pytest.raises(ConfigError, match=expected), library_errors_reported():
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def test_other_errors_stay_as_they_are() -> None:
    with pytest.raises(ValueError, match="another"), library_errors_reported():
        raise ValueError("another")


@pytest.mark.parametrize(
    "error", [MemoryError("3 TiB"), RuntimeError("alloc_cpu.cpp: can't allocate memory: 3 TiB")]
)
def test_no_memory_left_on_a_cpu(error: Exception) -> None:
    with pytest.raises(ConfigError, match="not enough memory"), library_errors_reported():
        raise error
