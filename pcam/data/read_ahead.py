"""Reads batches in a thread of its own, while the device works on those before."""

from collections.abc import Iterable, Iterator
from queue import Full, Queue
from threading import Event, Thread
from typing import TypeVar

Item = TypeVar("Item")

DEPTH = 2  # batches that are read ahead
WAIT = 0.1  # seconds between looks at whether the reader should end


class _End:
    """What follows the last batch: the error that ended reading, if one did."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def read_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Yield the items of an iterable, which another thread advances.

    An error in reading is raised where its item would be.
    """
    queue: Queue[Item | _End] = Queue(DEPTH)
    stopped = Event()

    def put(item: Item | _End) -> bool:
        """Put an item; return whether anybody still wants it."""
        while not stopped.is_set():
            try:
                queue.put(item, timeout=WAIT)
                return True
            except Full:
                continue
        return False

    def read() -> None:
        try:
            for item in items:
                if not put(item):
                    return
        except BaseException as error:
            put(_End(error))
        else:
            put(_End(None))

    thread = Thread(target=read, name="read ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := queue.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopped.set()
        thread.join()
