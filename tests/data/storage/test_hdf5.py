import os
import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest

from pcam.data.storage.hdf5 import PatchArray, is_mapped, rewrite

PATCHES = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 3), np.uint8)
STORAGES = {
    "contiguous": {},
    "one patch a chunk": {"chunks": (1, 8, 8, 3)},
    "some patches a chunk": {"chunks": (7, 8, 8, 3)},
    "patches in pieces": {"chunks": (7, 4, 8, 3)},
    "compressed": {"chunks": (16, 8, 8, 3), "compression": "gzip", "shuffle": True},
}


@pytest.mark.parametrize("storage", STORAGES)
def test_every_storage_reads_the_same(tmp_path: Path, storage: str) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["before"] = np.arange(10)  # so that the pixels do not begin at the file's first byte
        file.create_dataset("x", data=PATCHES, **STORAGES[storage])
    array = PatchArray(tmp_path / "x.h5", "x", "")
    for indices in (np.array([3]), np.array([49, 0, 7, 7]), np.arange(50)[::-1]):
        assert (array.read(indices) == PATCHES[indices]).all()
    assert is_mapped(tmp_path / "x.h5", "x") == (storage not in ("compressed", "patches in pieces"))
    copy = pickle.loads(pickle.dumps(array))
    assert len(pickle.dumps(array)) < 2000
    assert (copy.read(np.arange(50)) == PATCHES).all()


@pytest.mark.parametrize("storage", STORAGES)
def test_trap_h5py_handles_do_not_survive_a_fork(tmp_path: Path, storage: str) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=PATCHES, **STORAGES[storage])
    array = PatchArray(tmp_path / "x.h5", "x", "")
    array.read(np.array([0]))  # the parent has opened its handle
    child = os.fork()
    if child == 0:
        os._exit(0 if (array.read(np.arange(50)) == PATCHES).all() else 1)
    for _ in range(20):
        assert (array.read(np.arange(50)[::-1]) == PATCHES[::-1]).all()
    assert os.waitpid(child, 0)[1] == 0


def test_a_compressed_file_is_rewritten_to_be_mapped(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["other"] = np.arange(10)
        file.create_dataset("x", data=PATCHES, **STORAGES["compressed"])
    rewrite(path, "x")
    assert is_mapped(path, "x")
    assert (PatchArray(path, "x", "").read(np.arange(50)) == PATCHES).all()
    with h5py.File(path) as file:
        assert (file["other"][()] == np.arange(10)).all()
    assert [child.name for child in tmp_path.iterdir()] == ["x.h5"]
