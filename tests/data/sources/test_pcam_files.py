import gzip
import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import h5py
import numpy as np
import pytest

from pcam.data.preparation import obtain
from pcam.data.sources.pcam import PCamSource
from pcam.data.storage import checksums
from pcam.data.storage.checksums import STEM
from pcam.data.storage.hdf5 import is_stored_plainly
from pcam.errors import DataError
from tests.conftest import write_pcam
from tests.data.configs import data_config


def prepare(name: str, root: Path, address: str | None = None) -> list[str]:
    return obtain(data_config(f"data={name}", f"data.root={root}").data, address)


class Mirror:
    """The nine files as the hosts serve them, small, with the checksums of their content."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_pcam(
            folder, {"train": 24, "valid": 8, "test": 8}, chunks=(4, 96, 96, 3), compression="gzip"
        )
        sums, meta = {}, []
        for path in sorted(folder.iterdir()):
            if path.suffix == ".h5":
                packed = gzip.compress(path.read_bytes(), mtime=0)
                path.with_name(path.name + ".gz").write_bytes(packed)
                sums[path.stem.removeprefix(STEM)] = (
                    hashlib.md5(packed).hexdigest(),
                    hashlib.md5(path.read_bytes()).hexdigest(),
                )
            else:
                meta.append(hashlib.md5(path.read_bytes()).hexdigest())  # test, train, valid
        monkeypatch.setattr(checksums, "HDF5", sums)
        monkeypatch.setattr(checksums, "TRAIN_META", meta[1])
        monkeypatch.setattr(checksums, "VALID_OR_TEST_META", (meta[2], meta[0]))
        self.folder, self.asked = folder, []
        mirror = self

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.asked.append(self.path)
                super().do_GET()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    mirror = Mirror(tmp_path / "mirror", monkeypatch)
    yield mirror
    mirror.server.shutdown()
    mirror.server.server_close()


def test_pcam_is_downloaded_checked_and_made_mappable(mirror: Mirror, tmp_path: Path) -> None:
    root = tmp_path / "data"
    prepare("pcam", root, mirror.address)
    for split, size in (("train", 24), ("valid", 8), ("test", 8)):
        served, got = PCamSource(split, str(mirror.folder)), PCamSource(split, str(root))
        assert len(got) == size
        assert got.groups == served.groups
        assert (got.labels == served.labels).all()
        assert (got.read(np.arange(size)) == served.read(np.arange(size))).all()
        assert is_stored_plainly(root / f"{STEM}{split}_x.h5", "x")
    assert {path.name for path in root.iterdir()} == {
        p.name for p in mirror.folder.glob("*[!z]")
    } | {"prepared.json"}
    assert len(mirror.asked) == 9
    prepare("pcam", root, mirror.address)
    assert len(mirror.asked) == 9  # done at once
    for path in root.iterdir():
        os.utime(path, (1, 1))  # as a copy of the folder has other times
    assert prepare("pcam", root, mirror.address) == []  # the rewritten files are known again
    assert len(mirror.asked) == 9


def test_files_that_are_there_are_checked_and_not_downloaded(
    mirror: Mirror, tmp_path: Path
) -> None:
    root = tmp_path / "data"
    root.mkdir()
    for path in mirror.folder.glob("*[!z]"):
        shutil.copy(path, root)
    prepare("pcam", root, mirror.address)
    assert mirror.asked == []
    (root / f"{STEM}valid_meta.csv").unlink()
    with h5py.File(root / f"{STEM}valid_y.h5", "r+") as file:
        file["y"][0] = 1 - file["y"][0]
    for _ in range(2):
        (note,) = prepare("pcam", root, mirror.address)
        assert note.startswith(f"not the official files, by their MD5: {STEM}valid_y.h5 in {root}")
    assert mirror.asked == []  # the official slide names are not those of other patches


def test_a_file_that_is_not_the_official_one_is_refused(mirror: Mirror, tmp_path: Path) -> None:
    swapped = mirror.folder / f"{STEM}valid_x.h5.gz"
    shutil.copy(mirror.folder / f"{STEM}test_x.h5.gz", swapped)
    with pytest.raises(
        DataError, match=r"valid_x\.h5\.gz.* serves other bytes than the published ones"
    ):
        prepare("pcam", tmp_path / "data", mirror.address)
    assert not (tmp_path / "data" / f"{STEM}valid_x.h5").exists()


def test_a_disk_that_is_too_small_is_an_error_before_anything_is_downloaded(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 9_000_000_000}))
    with pytest.raises(DataError, match=r"9\.0 GB free, 9\.1 GB are needed \(set data\.root\)"):
        prepare("pcam", tmp_path / "data", mirror.address)
    assert mirror.asked == []


def test_a_folder_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"data\.root=.*file cannot be created"):
        prepare("pcam", tmp_path / "file")


def test_a_root_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"data\.root=.*file cannot be created"):
        prepare("pcam", tmp_path / "file")
