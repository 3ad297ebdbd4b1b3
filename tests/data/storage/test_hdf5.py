import gc
import os
import pickle
import resource
from pathlib import Path

import h5py
import numpy as np
import pytest

from pcam.data.storage.hdf5 import PatchArray, is_stored_plainly, rewrite
from pcam.data.storage.vectors import read_column
from pcam.errors import DataError

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
    plain = storage not in ("compressed", "patches in pieces")
    assert is_stored_plainly(tmp_path / "x.h5", "x") == plain
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


def open_files() -> set[str]:
    """Return the paths of this process's open descriptors."""
    return {os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()}


@pytest.mark.parametrize("storage", STORAGES)
def test_a_file_is_closed_when_its_array_goes(tmp_path: Path, storage: str) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=PATCHES, **STORAGES[storage])
    arrays = [PatchArray(path, "x", "")]
    arrays.append(pickle.loads(pickle.dumps(arrays[0])))
    for array in arrays:
        array.read(np.array([1]))
    assert str(path) in open_files()
    del array
    arrays.clear()
    gc.collect()
    assert str(path) not in open_files()


@pytest.mark.parametrize("storage", ["contiguous", "some patches a chunk"])
def test_a_file_that_is_cut_short_while_it_is_read_is_one_line(
    tmp_path: Path, storage: str
) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=PATCHES, **STORAGES[storage])
    array = PatchArray(path, "x", "")
    os.truncate(path, path.stat().st_size // 2)
    assert (array.read(np.array([2, 0])) == PATCHES[[2, 0]]).all()
    for indices in (np.array([48, 3]), np.arange(50)):
        with pytest.raises(DataError) as caught:
            array.read(indices)
        assert str(caught.value) == (
            f"{path} was cut short while it was read: it has {path.stat().st_size:,} bytes now;"
            " put it back as it was"
        )


def test_patches_side_by_side_are_read_in_one_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = PATCHES
    array = PatchArray(tmp_path / "x.h5", "x", "")
    sizes = []
    preadv = os.preadv

    def partial(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        sizes.append(len(buffers[0]))
        return preadv(descriptor, [buffers[0][:300]], offset)  # a system may read less at a time

    monkeypatch.setattr(os, "preadv", partial)
    indices = np.array([4, 5, 6, 2, 9, 9])
    assert (array.read(indices) == PATCHES[indices]).all()
    assert sizes == [576, 576, 276, 192, 192, 192]
    assert array.read(np.array([], np.int64)).shape == (0, 8, 8, 3)


def test_a_compressed_file_is_rewritten_plainly(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["other"] = np.arange(10)
        file.create_dataset("x", data=PATCHES, **STORAGES["compressed"])
    rewrite(path, "x")
    assert is_stored_plainly(path, "x")
    assert (PatchArray(path, "x", "").read(np.arange(50)) == PATCHES).all()
    with h5py.File(path) as file:
        assert (file["other"][()] == np.arange(10)).all()
    assert [child.name for child in tmp_path.iterdir()] == ["x.h5"]


@pytest.mark.parametrize(
    ("options", "written"), [({}, 0), ({"chunks": (7, 8, 8, 3)}, 0), ({"chunks": (7, 8, 8, 3)}, 30)]
)
def test_patches_that_were_never_written_are_no_black_patches(
    tmp_path: Path, options: dict[str, object], written: int
) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        array = file.create_dataset("x", PATCHES.shape, np.uint8, **options)
        if written:
            array[:written] = PATCHES[:written]
    with pytest.raises(DataError, match="'x' that were never written; move it away, then get it"):
        PatchArray(tmp_path / "x.h5", "x", "get it again")


@pytest.mark.parametrize("shape", [(25, 2), (1, 50), (5, 10, 1, 1)])
def test_labels_are_one_value_per_patch(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with h5py.File(tmp_path / "y.h5", "w") as file:
        file["y"] = np.zeros(shape, np.uint8)
    with pytest.raises(DataError, match=r"has shape \(.*\), not one value per patch"):
        read_column(tmp_path / "y.h5", "y", "get it again")


def test_a_soft_link_to_nothing_is_one_line(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = h5py.SoftLink("/nothing")
    with pytest.raises(DataError, match=r"x.h5 (has no array|is damaged)"):
        PatchArray(tmp_path / "x.h5", "x", "get it again")


def test_trap_hdf5_cannot_close_a_file_that_a_full_disk_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        pixels = np.zeros((200, 96, 96, 3), np.uint8)
        file.create_dataset("x", data=pixels, chunks=(10, 96, 96, 3), compression="gzip")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, before[1]))
    try:
        with pytest.raises(DataError, match="cannot be rewritten"):
            rewrite(path, "x")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [one.name for one in tmp_path.iterdir()] == ["a.h5"]
