import shutil
import zipfile
from pathlib import Path

import pytest

from pcam.data.preparation import obtain
from pcam.data.sources.kaggle_files import COMPETITION
from pcam.errors import DataError
from tests.conftest import write_kaggle
from tests.data.configs import data_config


def prepare(name: str, root: Path) -> list[str]:
    return obtain(data_config(f"data={name}", f"data.root={root}").data)


def test_kaggle_without_its_command_is_an_error_with_instructions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(
        DataError,
        match=r"accept the rules .*pip install kaggle, .*by hand: kaggle competitions download",
    ):
        prepare("kaggle", tmp_path / "data")


def test_kaggle_is_downloaded_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_kaggle(tmp_path / "served", 12, 3)
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        for path in sorted((tmp_path / "served").rglob("*.*")):
            archive.write(path, path.relative_to(tmp_path / "served"))
        archive.writestr("../outside.tif", b"a path that would leave the folder")
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    (bin_ / "kaggle").write_text(
        f'#!/bin/sh\n[ "$*" = "competitions download -c {COMPETITION} -p {tmp_path / "data"}" ]'
        f' || exit 1\ncp "{tmp_path / "archive.zip"}" "{tmp_path / "data"}/{COMPETITION}.zip"\n'
    )
    (bin_ / "kaggle").chmod(0o755)
    monkeypatch.setenv("PATH", str(bin_), prepend=":")
    prepare("kaggle", tmp_path / "data")
    assert len(list((tmp_path / "data" / "train").glob("*.tif"))) == 12
    assert len(list((tmp_path / "data" / "test").glob("*.tif"))) == 3
    assert not (tmp_path / "outside.tif").exists()
    (tmp_path / "archive.zip").write_bytes(b"no zip")
    shutil.rmtree(tmp_path / "data")
    with pytest.raises(DataError, match=r"is not a whole zip file .*move it away"):
        prepare("kaggle", tmp_path / "data")
