import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pcam.data.base import PatchSource
from pcam.data.sources.folder import FolderSource
from pcam.data.sources.synthetic.source import SyntheticSource
from pcam.errors import DataError
from tests.conftest import write_folder


def test_a_folder_of_images(folder_root: Path) -> None:
    source = FolderSource("valid", str(folder_root))
    written = SyntheticSource("valid", 12)
    # the second class in alphabetical order is 1
    assert sorted(source.labels.tolist()) == sorted(written.labels.tolist())
    at = source.ids.index(f"valid/{'tumour' if written.labels[3] else 'normal'}/3.png")
    assert (source.read(np.array([at]))[0] == written.read(np.array([3]))[0]).all()
    other = FolderSource("valid", str(folder_root), "normal")
    assert (other.labels != source.labels).all()


def test_images_without_class_folders_have_no_labels(folder_root: Path, tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    for path in sorted((folder_root / "test" / "normal").iterdir()):
        shutil.copy(path, tmp_path / "test")
    source = FolderSource("test", str(tmp_path))
    assert source.labels is None
    assert source.ids == sorted(f"test/{path.name}" for path in (tmp_path / "test").iterdir())


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("no split", r"train is missing; the layout is .*train/CLASS/\*\.png.*; set data\.root"),
        ("three classes", r"train has 3 class folders \(normal, other, tumour\); two are needed"),
        ("no image", "train has no images"),
        ("other positive", r"data\.positive=tumor is not a class folder .*did you mean tumour"),
        ("other class", r"valid has the classes other, .*train has normal, tumour"),
        ("other size", r"8x8 pixels, .* is 96x96; all patches must have one size"),
        ("16 bits", r"cannot be read as an image \(mode I;16 does not have 8 bits per channel\)"),
    ],
)
def test_faulty_folders_are_errors(fault: str, message: str, tmp_path: Path) -> None:
    root = write_folder(tmp_path, 4, ("train",))
    split, positive = "train", None
    image = sorted((root / "train").glob("*/*.png"))[-1]
    if fault == "no split":
        shutil.rmtree(root / "train")
    if fault == "three classes":
        (root / "train" / "other").mkdir()
    if fault == "no image":
        for path in (root / "train").glob("*/*.png"):
            path.unlink()
    if fault == "other positive":
        positive = "tumor"
    if fault == "other class":
        split = "valid"
        (root / "valid" / "other").mkdir(parents=True)
    if fault == "other size":
        Image.new("RGB", (8, 8)).save(image)
    if fault == "16 bits":
        Image.fromarray(np.zeros((96, 96), np.uint16)).save(image)
    with pytest.raises(DataError, match=message):
        read_all(FolderSource(split, str(root), positive))


def read_all(source: PatchSource) -> np.ndarray:
    return source.read(np.arange(len(source)))
