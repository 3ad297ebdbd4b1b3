"""Failures of the processes that read patches, reported as without these processes."""

import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any
from weakref import WeakSet

from torch.multiprocessing import _prctl_pr_set_pdeathsig  # type: ignore[attr-defined]
from torch.utils.data import DataLoader, get_worker_info
from torch.utils.data._utils import signal_handling
from torch.utils.data.dataloader import _BaseDataLoaderIter as BatchIterator
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter as WorkerBatches

from pcam.errors import DataError, PcamError

# torch's messages about a process that has ended: its signal, where known.
DEAD_WORKER = re.compile(
    r"DataLoader worker \(pid(?:\(s\))? [\d, ]+\) (?:is killed by signal: )?(.*)"
)
SHARED_MEMORY = "shared memory"
TIMED_OUT = "DataLoader timed out"
WAITS = 10  # that data.worker_timeout is divided into

_loaders: "WeakSet[PatchLoader]" = WeakSet()  # of this process


@dataclass(frozen=True)
class WorkerFailure:
    """What a worker returns in place of a batch that it could not read.

    torch would raise the error anew with the worker's whole traceback as its message.

    Attributes:
        kind: of the error.
        message: of the error.
    """

    kind: type[PcamError]
    message: str


def leave_signals_to_parent(worker: int) -> None:
    """Let a loader's worker go on where a whole group of processes gets a signal.

    The training needs it until the end of the step, and ends it then. A second SIGTERM is the
    training's.

    Args:
        worker: its number.
    """

    def end_later(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    signal.signal(signal.SIGTERM, end_later)
    for number in (signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)


def start_worker_of_main_thread(worker: int) -> None:
    """Start a worker that ends at once where its process is killed, not at torch's next look.

    The system takes the thread that has started a worker for its parent.

    Args:
        worker: its number.
    """
    _prctl_pr_set_pdeathsig(signal.SIGKILL)
    leave_signals_to_parent(worker)


def is_worker() -> bool:
    """Return whether this process is one of a loader's workers."""
    return get_worker_info() is not None


class PatchLoader(DataLoader[Any]):
    """A DataLoader that raises what its workers report, and ends workers that do not answer.

    Its arguments are torch's.
    """

    def end_workers(self) -> None:
        """End the workers now.

        If it is left to the garbage collector, torch waits 20 seconds for workers that it does not
        reach any more.
        """
        if isinstance(self._iterator, WorkerBatches):
            self._iterator._shutdown_workers()

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Yield the batches.

        Raises:
            PcamError: a batch could not be read, or was not read in time.
        """
        _loaders.add(self)
        if threading.current_thread() is threading.main_thread():
            self.worker_init_fn = start_worker_of_main_thread
        batches = self._start()
        while True:
            try:
                batch = self._next(batches)
            except StopIteration:
                return
            if isinstance(batch, WorkerFailure):
                self.end_workers()
                raise batch.kind(batch.message)
            yield batch

    def _start(self) -> BatchIterator:
        """Return torch's iterator. Workers that stay from epoch to epoch answer first.

        They are asked once, so this is one wait of the whole limit.
        """
        earlier = self._iterator
        if not isinstance(earlier, WorkerBatches):
            return super().__iter__()
        earlier._timeout = WAITS * self.timeout
        try:
            return super().__iter__()
        except RuntimeError as error:
            if TIMED_OUT not in str(error):
                raise
            _kill_workers(earlier)
            raise self._timed_out() from error
        finally:
            earlier._timeout = self.timeout

    def _next(self, batches: BatchIterator) -> Any:
        """Return the next batch; each wait is a part of the limit.

        So a process that is continued after a stop (ctrl-Z, a suspended job) has time left.
        """
        for _ in range(WAITS):
            try:
                return next(batches)
            except RuntimeError as error:
                if TIMED_OUT not in str(error):
                    raise
        if isinstance(batches, WorkerBatches):
            _kill_workers(batches)
        raise self._timed_out()

    def _timed_out(self) -> DataError:
        return DataError(
            f"the processes that read patches have not answered for {WAITS * self.timeout:g}"
            " seconds: the disk or network of the data may be stalled; a source that is slow needs"
            " a larger data.worker_timeout (seconds; null: no limit)"
        )


def _kill_workers(batches: WorkerBatches) -> None:
    """Kill the workers of a loader's iterator: they may ignore gentler signals.

    Args:
        batches: torch's iterator. It does not learn of it, and so does not raise.
    """
    if batches._worker_pids_set:
        signal_handling._remove_worker_pids(id(batches))  # type: ignore[attr-defined]
        batches._worker_pids_set = False
    for worker in batches._workers:
        worker.kill()
    batches._shutdown_workers()


@contextmanager
def dead_workers_reported() -> Iterator[None]:
    """Report a worker that the system has killed, and end those of loaders made meanwhile.

    torch raises wherever the program happens to be when the signal arrives.

    Raises:
        DataError: a worker has ended.
    """
    earlier = set(_loaders)
    try:
        yield
    except RuntimeError as error:
        message = describe_dead_worker(str(error))
        if message is None:
            raise
        raise DataError(message) from error
    finally:
        for loader in set(_loaders) - earlier:
            loader.end_workers()


def describe_dead_worker(text: str) -> str | None:
    """Return the line about a worker that has ended; None if an error is not about one.

    Args:
        text: torch's message.
    """
    if not DEAD_WORKER.search(text):
        return None
    if SHARED_MEMORY in text:
        return (
            "a process that reads patches has no shared memory left (/dev/shm); "
            "lower data.num_workers or data.batch_size, or set data.num_workers=0"
        )
    return (
        "a process that reads patches was killed by the system, most likely for lack of memory; "
        "lower data.num_workers or data.batch_size, or set data.num_workers=0"
    )
