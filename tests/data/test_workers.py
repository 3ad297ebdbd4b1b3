"""Failures of loaders' workers: the same one line as without workers."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from pcam.data.base import Indices, Pixels
from pcam.data.crop import Crop
from pcam.data.reading import PatchDataset, make_loader
from pcam.data.sampling import PatchOrder
from pcam.data.sources.synthetic.source import SyntheticSource
from pcam.data.workers import PatchLoader, dead_workers_reported, describe_dead_worker
from pcam.errors import ConfigError, DataError
from tests.conftest import TINY, Terminal, write_folder

TRAIN = [*TINY, "trainer=cpu", "trainer.max_epochs=1", "data=folder"]


class Failing(SyntheticSource):
    """A source whose seventh patch cannot be read."""

    def read(self, indices: Indices) -> Pixels:
        if 7 in indices:
            raise ConfigError("patch 7 is bad")
        return super().read(indices)


class Killed(SyntheticSource):
    """A source whose seventh patch takes more memory than there is."""

    def read(self, indices: Indices) -> Pixels:
        if 7 in indices:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(indices)


class Hanging(SyntheticSource):
    """A source whose seventh patch is never read."""

    def read(self, indices: Indices) -> Pixels:
        while 7 in indices:
            time.sleep(60)
        return super().read(indices)


class Slow(SyntheticSource):
    """A source that takes a moment for each batch."""

    def read(self, indices: Indices) -> Pixels:
        time.sleep(0.3)
        return super().read(indices)


def loader(
    source: SyntheticSource, workers: int, worker_timeout: float | None = 600
) -> PatchLoader:
    dataset = PatchDataset(source, Crop("none", None, 0), None)
    order = PatchOrder(len(source), 4, 0, training=False)
    return make_loader(dataset, order, workers, worker_timeout)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_expected_failure_keeps_its_class_and_its_line(workers: int) -> None:
    batches = iter(loader(Failing("train", 12), workers))
    assert next(batches)["index"].tolist() == [0, 1, 2, 3]
    with pytest.raises(ConfigError) as caught:
        next(batches)
    assert str(caught.value) == "patch 7 is bad"
    assert multiprocessing.active_children() == []


def test_a_worker_that_the_system_kills_is_named_with_the_likely_cause() -> None:
    with pytest.raises(DataError) as caught, dead_workers_reported():
        list(loader(Killed("train", 12), 1))
    assert str(caught.value) == (
        "a process that reads patches was killed by the system, most likely for lack of memory; "
        "lower data.num_workers or data.batch_size, or set data.num_workers=0"
    )


def test_workers_end_with_the_work_that_they_were_made_for() -> None:
    before = loader(SyntheticSource("train", 12), 1)
    next(iter(before))
    (kept,) = multiprocessing.active_children()
    with dead_workers_reported():
        inside = loader(SyntheticSource("train", 12), 1)
        next(iter(inside))
        assert len(multiprocessing.active_children()) == 2
    assert multiprocessing.active_children() == [kept]
    before.end_workers()


def test_a_worker_that_hangs_ends_after_the_limit_in_one_line() -> None:
    patches = loader(Hanging("train", 12), 2, worker_timeout=2)
    batches = iter(patches)
    next(batches)
    workers = patches._iterator._workers
    start = time.monotonic()
    with pytest.raises(DataError) as caught, dead_workers_reported():
        list(batches)
    assert time.monotonic() - start < 5
    assert str(caught.value) == (
        "the processes that read patches have not answered for 2 seconds: the disk or network of "
        "the data may be stalled; a source that is slow needs a larger data.worker_timeout "
        "(seconds; null: no limit)"
    )
    assert not any(worker.is_alive() for worker in workers)


def test_a_worker_that_is_stopped_between_two_epochs_is_one_line() -> None:
    patches = loader(SyntheticSource("train", 12), 2, worker_timeout=2)
    assert len(list(patches)) == 3
    stopped, _ = patches._iterator._workers
    os.kill(stopped.pid, signal.SIGSTOP)
    start = time.monotonic()
    with pytest.raises(DataError, match="have not answered for 2 seconds"), dead_workers_reported():
        list(patches)
    assert time.monotonic() - start < 5
    assert not stopped.is_alive()


@pytest.mark.parametrize("limit", [2, None])
def test_a_worker_that_is_slow_but_answers_is_waited_for(limit: float | None) -> None:
    batches = loader(Slow("train", 12), 1, limit)  # each wait is longer than a tenth of the limit
    assert [len(batch["index"]) for batch in batches] == [4, 4, 4]


def test_shared_memory_that_is_used_up_is_named() -> None:
    text = (
        "DataLoader worker (pid 81) is killed by signal: Bus error. It is possible that "
        "dataloader's workers are out of shared memory."
    )
    assert "no shared memory left (/dev/shm)" in (describe_dead_worker(text) or "")
    several = describe_dead_worker("DataLoader worker (pid(s) 81, 82) exited unexpectedly")
    assert "lack of memory" in (several or "")


def test_other_errors_stay_as_they_are() -> None:
    with pytest.raises(RuntimeError, match="addmm"), dead_workers_reported():
        raise RuntimeError("addmm: shapes")


def spoil(path: Path) -> Path:
    """Cut a picture off after its header."""
    path.write_bytes(path.read_bytes()[:-2000])
    return path


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_a_corrupt_picture_is_one_line_in_each_split(
    split: str, tmp_path: Path, terminal: Terminal
) -> None:
    root = write_folder(tmp_path / "data")
    bad = spoil(next((root / split / "tumour").iterdir()))
    words = [*TRAIN, f"data.root={root}", "data.duplicates=keep", "aug=none"]
    lines = [terminal("train", *words, f"data.num_workers={count}").faults for count in (0, 2)]
    assert lines[0] == lines[1]
    (line,) = lines[0]
    assert line.startswith(f"{bad} cannot be read as an image")


def test_quarter_turns_of_oblong_patches_are_one_line(tmp_path: Path, terminal: Terminal) -> None:
    from PIL import Image

    root = write_folder(tmp_path / "data")
    for path in root.rglob("*.png"):
        Image.fromarray(np.asarray(Image.open(path))[:64]).save(path)
    words = [*TRAIN, f"data.root={root}", "aug=dihedral"]
    lines = [terminal("train", *words, f"data.num_workers={count}").faults for count in (0, 2)]
    assert lines[0] == lines[1]
    assert len(lines[0]) == 1
    assert "quarter turns need square patches" in lines[0][0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_to_all_processes_leaves_the_end_of_a_step_to_the_training(
    number: signal.Signals,
) -> None:
    patches = loader(SyntheticSource("train", 40), 1)
    batches = iter(patches)
    next(batches)
    (worker,) = patches._iterator._workers
    os.kill(worker.pid, number)
    assert len(list(batches)) == 9
