import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pcam.data.provider import source_provider
from pcam.data.sources.folder import FolderDataConfig, FolderSource
from pcam.data.sources.synthetic.source import SyntheticSource
from pcam.errors import DataError, PcamError
from tests.conftest import write_folder


def test_a_folder_of_images(folder_root: Path) -> None:
    source = FolderSource("valid", str(folder_root))
    written = SyntheticSource("valid", 12)
    # the class whose name says that it is positive is 1
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
        ("no split", r" is empty; the layout is .*train/CLASS/\*\.png.*; set data\.root"),
        ("three classes", r"train has 3 class folders \(normal, other, tumour\); two are needed"),
        ("one class", r"train has 1 class folder \(normal\); .*skipped 1 .*tumour \(a folder wi"),
        ("no image", "train has no images"),
        (
            "other positive",
            r"data\.positive=tumor is not a class of .*set data\.positive=normal or data\.posit",
        ),
        ("other class", r"valid has the classes other, .*train has normal, tumour"),
        ("other size", r"8x8 pixels, .* is 96x96; all patches must have one size"),
        ("16 bits", r"cannot be read as an image \(mode I;16 is not 8 bits per channel"),
        ("cut off", r"cannot be read as an image \(.*\); replace it, or move it away"),
    ],
)
def test_faulty_folders_are_errors(fault: str, message: str, tmp_path: Path) -> None:
    root = write_folder(tmp_path, 4, ("train",))
    split, positive = "train", None
    image = sorted((root / "train").glob("*/*.png"))[-1]
    if fault == "no split":
        shutil.rmtree(root / "train")
    if fault == "three classes":
        shutil.copytree(root / "train" / "normal", root / "train" / "other")
    if fault == "one class":
        for path in (root / "train" / "tumour").iterdir():
            path.unlink()
    if fault == "no image":
        for path in (root / "train").glob("*/*.png"):
            path.unlink()
    if fault == "other positive":
        positive = "tumor"
    if fault == "other class":
        split = "valid"
        shutil.copytree(root / "train" / "normal", root / "valid" / "other")
    if fault == "other size":
        Image.new("RGB", (8, 8)).save(image)
    if fault == "16 bits":
        Image.fromarray(np.zeros((96, 96), np.uint16)).save(image)
    if fault == "cut off":
        image.write_bytes(image.read_bytes()[:-500])
    with pytest.raises(PcamError, match=message):
        FolderSource(split, str(root), positive)  # nothing is found only when it is read


def test_stray_files_are_skipped_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = write_folder(tmp_path, 6, ("train",))
    expected = FolderSource("train", str(root))
    for folder in (root, root / "train", root / "train" / "normal"):
        write_strays(folder)
    with caplog.at_level("INFO"):
        source = FolderSource("train", str(root))
    assert source.ids == expected.ids
    assert source.labels.tolist() == expected.labels.tolist()
    # eight beside the class folders, eight in one of them; eight beside the split
    assert f"{root}: skipped 8 that are no splits: .DS_Store, " in caplog.text
    assert "train: skipped 16 that are no pictures of a class: .DS_Store, " in caplog.text
    assert source_provider(config_of(root)).published_splits == ("train",)


def write_strays(folder: Path) -> None:
    """Write what file managers, archives and notebooks leave: eight files and folders."""
    picture = next(folder.rglob("*.png")).read_bytes()
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._0.png", "notes.txt"):
        (folder / name).write_bytes(picture)
    for name in (".ipynb_checkpoints", "__MACOSX"):
        (folder / name).mkdir()
        (folder / name / "a.png").write_bytes(picture)
    (folder / "empty").mkdir()


def config_of(root: Path) -> FolderDataConfig:
    return FolderDataConfig(root=str(root))


def test_pictures_right_in_the_root_are_unlabelled(tmp_path: Path) -> None:
    write_folder(tmp_path / "data", 4, ("train",))
    flat = tmp_path / "flat"
    flat.mkdir()
    for number, path in enumerate(sorted((tmp_path / "data").rglob("*.png"))):
        shutil.copy(path, flat / f"{number}.png")
    write_strays(flat)
    provider = source_provider(config_of(flat))
    assert provider.unlabelled_split == "predict"
    assert provider.class_names is None
    source = provider.open("predict")
    assert source.labels is None
    assert list(source.ids) == [f"{number}.png" for number in range(4)]
    with pytest.raises(DataError, match=r"pictures right in .* have no labels: pcam\.predict"):
        provider.open("test")
    assert source_provider(config_of(tmp_path / "data")).unlabelled_split is None
