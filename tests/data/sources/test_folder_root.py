"""Roots of folders that are not as expected: what is there is named, and what to do."""

import os
from pathlib import Path

import pytest
from PIL import Image

from pcam.config.sections import AutoSplits
from pcam.data.loading import open_splits
from pcam.data.provider import source_provider
from pcam.data.sources.folder import FolderDataConfig, FolderSource
from pcam.errors import AccessError, DataError

AUTO = AutoSplits(name="auto", share=0.2, seed=0)


def write_pictures(root: Path, *folders: str) -> None:
    """Write one picture into each folder, of its own colour."""
    for number, folder in enumerate(folders):
        (root / folder).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, 9, 9)).save(root / folder / f"{number}.png")


def write_split(root: Path, split: str) -> None:
    write_pictures(root, *[f"{split}/{name}" for name in ("normal", "tumour") for _ in range(3)])


def fault_of(root: Path) -> str:
    """Return why a training cannot use a root."""
    with pytest.raises(DataError) as found:
        open_splits(FolderDataConfig(root=str(root)), AUTO, 0)
    assert "\n" not in str(found.value)
    return str(found.value)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("val", "valid"),
        ("validation", "valid"),
        ("dev", "valid"),
        ("Valid", "valid"),
        ("vaild", "valid"),
        ("testing", "test"),
        ("Test", "test"),
        ("tests", "test"),
    ],
)
def test_a_split_with_another_name_is_refused(name: str, split: str, tmp_path: Path) -> None:
    """Before, ``val`` was left out and valid was drawn from train, without a word."""
    write_split(tmp_path, "train")
    write_split(tmp_path, name)
    assert f"named train, valid, test; rename {name} to {split}, or" in fault_of(tmp_path)


def test_all_such_names_are_reported_together(tmp_path: Path) -> None:
    write_split(tmp_path, "Train")
    write_split(tmp_path, "Val")
    assert "rename Train to train, Val to valid, or" in fault_of(tmp_path)


def test_what_stands_for_no_missing_split_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for split in ("train", "valid", "validation", "old"):
        write_split(tmp_path, split)
    (tmp_path / "testing").mkdir()  # without pictures
    (tmp_path / "notes.txt").touch()
    (tmp_path / "test").symlink_to("valid")
    with caplog.at_level("INFO"):
        opened = open_splits(FolderDataConfig(root=str(tmp_path)), AUTO, 0)
    assert set(opened.splits) == {"train", "valid", "test"}
    line = f"{tmp_path}: skipped 4 that are no splits: notes.txt, old, testing, validation"
    assert caplog.messages.count(line) == 1


def test_roots_that_are_not_there_or_empty_are_said_to_be_so(tmp_path: Path) -> None:
    assert fault_of(tmp_path / "nowhere") == f"data.root={tmp_path}/nowhere does not exist"
    (tmp_path / "file").touch()
    assert fault_of(tmp_path / "file") == f"data.root={tmp_path}/file is not a folder"
    (tmp_path / "empty").mkdir()
    assert fault_of(tmp_path / "empty").startswith(f"{tmp_path}/empty is empty; the layout is")
    (tmp_path / "empty" / ".DS_Store").touch()
    assert "empty has no pictures (skipped 1 that" in fault_of(tmp_path / "empty")


def test_a_root_one_level_too_deep_or_too_high_is_said_to_be_so(tmp_path: Path) -> None:
    write_split(tmp_path / "data", "train")
    deep = fault_of(tmp_path / "data" / "train")
    assert (
        f"(normal, tumour) but no splits: it is a split itself; set data.root={tmp_path}/data"
        in deep
    )
    assert f"the splits are in {tmp_path}/data: set data.root={tmp_path}/data" in fault_of(tmp_path)
    write_split(tmp_path / "other", "mine")
    classes = fault_of(tmp_path / "other" / "mine")
    assert f"(normal, tumour) but no splits; the layout is {tmp_path}/other/mine/train" in classes


def test_a_missing_split_is_named_beside_those_that_are_there(tmp_path: Path) -> None:
    write_split(tmp_path, "valid")
    assert f"train is missing; {tmp_path} has valid; the layout is" in fault_of(tmp_path)


def test_pictures_without_labels_beside_other_pictures_are_refused(tmp_path: Path) -> None:
    """Before, the line said that two class folders are needed."""
    write_pictures(tmp_path, ".", ".", "more")
    provider = source_provider(FolderDataConfig(root=str(tmp_path)))
    assert provider.unlabelled_split == "predict"
    with pytest.raises(
        DataError, match=r"has 2 pictures and folders of pictures \(more\); .* move"
    ):
        provider.open("predict")
    assert "has 2 pictures and folders of pictures (more); the layout is" in fault_of(tmp_path)
    (tmp_path / "more").rename(tmp_path / "train")
    with pytest.raises(DataError, match="has the splits train: pictures without labels are in a"):
        provider.open("predict")


def test_a_pipe_among_the_pictures_is_named(tmp_path: Path) -> None:
    """Before, the program waited forever for what another one would write."""
    write_split(tmp_path, "train")
    pipe = tmp_path / "train" / "normal" / "x.png"
    os.mkfifo(pipe)
    with pytest.raises(AccessError, match=f"^{pipe} is not a regular file$"):
        FolderSource("train", str(tmp_path))
