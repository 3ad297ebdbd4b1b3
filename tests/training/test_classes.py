"""Splits of one class, before training."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from pcam.data.base import subset
from pcam.data.sources.synthetic.source import SyntheticSource
from pcam.errors import DataError
from pcam.training.classes import describe_one_class
from tests.conftest import SMALL, STEM, TINY, Terminal, write_folder, write_pcam
from tests.run import train


def one_class_in(folder: Path, split: str) -> list[str]:
    """Write a folder of patches of which a split has one class; return the command line."""
    root = write_folder(folder / "data", splits=("train", "valid", "test"))
    for path in (root / split / "tumour").iterdir():
        path.unlink()
    data = ["data=folder", f"data.root={root}", "data.batch_size=4", "data.positive=tumour"]
    return [*TINY, *data, "trainer.max_epochs=2", "trainer.progress=false"]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["trainer.early_stopping=1"], "set trainer.early_stopping=null"),
        (["scheduler=plateau"], "set another scheduler"),
    ],
)
def test_a_setting_that_needs_valid_auroc_is_refused(
    words: list[str], hint: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="valid has no positive patch, so its AUROC") as caught:
        train(tmp_path / "run", *one_class_in(tmp_path, "valid"), *words)
    assert str(caught.value).endswith(hint)
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_classes_of_which_one_is_missing_cannot_be_balanced(
    tmp_path: Path, terminal: Terminal
) -> None:
    root = write_pcam(tmp_path / "data", {"train": 24, "valid": 16, "test": 16})
    with h5py.File(root / f"{STEM}train_y.h5", "r+") as file:
        file["y"][...] = 0
    (root / f"{STEM}train_meta.csv").unlink()  # it says which are positive
    words = [*TINY, "data=pcam", f"data.root={root}", "data.sampler=balanced", "hydra.run.dir=run"]
    (line,) = terminal("train", *words).faults
    assert line.startswith("train has no positive patch, so data.sampler=balanced has nothing")
    assert not (tmp_path / "run" / "config.yaml").exists()


@pytest.mark.parametrize("split", ["valid", "test"])
def test_a_split_of_one_class_is_reported_before_training(
    split: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "pcam")
    train(tmp_path / "run", *one_class_in(tmp_path, split))
    before = caplog.text.partition("epoch 1/2")[0]
    assert f"{split} has no positive patch: " in before


def test_two_classes_are_not_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    train(tmp_path, *TINY, *SMALL, "data.limit=2", "trainer.max_epochs=1")
    assert "has no" not in caplog.text


def test_a_training_split_of_one_class_is_described() -> None:
    source = SyntheticSource("train", 40)
    positive = subset(source, np.flatnonzero(source.labels == 1))
    (line,) = describe_one_class({"train": positive, "valid": source})
    assert line == "train has no negative patch: the network can only learn to predict the other"
