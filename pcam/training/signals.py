"""Signals that end a training: it saves a checkpoint at the end of a step, then exits.

SIGTERM and SIGUSR1, which queues send before they end a job, exit with a status of their own, so
that the job can be queued again. Ctrl-C (SIGINT) saves too.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from pcam.errors import INTERRUPTED, STOPPED

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
REPEATED = 1.0  # seconds after which another ctrl-C is one more, and not the same to all processes
NOTICE = b"\nInterrupted: ends after this step, with a checkpoint; ctrl-C again ends at once.\n"

Handler = Callable[[int, FrameType | None], None]


class StopRequest:
    """Whether a signal has asked a training to end.

    Attributes:
        signal: that was received first; None while there was none.
        status_of_group: the exit status on which processes that train together have agreed; None
            while they have not.
        deferred: whether the training ends by itself, at the end of a step. Otherwise a signal ends
            it at once.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self.status_of_group: int | None = None
        self.deferred = False
        self._time = 0.0

    @property
    def status(self) -> int:
        """The exit status of the training."""
        if self.status_of_group is not None:
            return self.status_of_group
        return INTERRUPTED if self.signal in (None, signal.SIGINT) else STOPPED

    @property
    def name(self) -> str:
        """The signal's name."""
        if self.signal is None:
            return "a signal to another process"
        return signal.Signals(self.signal).name

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal; a queue may send it again, and a second ctrl-C ends at once.

        Raises:
            KeyboardInterrupt: by ctrl-C.
            SystemExit: by another signal.
        """
        again = self.signal is not None
        if not again:
            self.signal, self._time = number, time.monotonic()
        if not self.deferred and not again:
            self._end()
        if number != signal.SIGINT:
            return
        if not again:
            os.write(2, NOTICE)  # a print may not be interrupted by another
        elif time.monotonic() - self._time > REPEATED:
            raise KeyboardInterrupt

    def _end(self) -> None:
        if self.signal == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(self.status)


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Receive the signals that end a training."""
    request = StopRequest()
    with handled_signals(request.receive):
        yield request


@contextmanager
def forwarded_signals(processes: Sequence[int]) -> Iterator[None]:
    """Hand the signals that end a training on to its processes, by their ids."""

    def forward(number: int, frame: FrameType | None) -> None:
        for process in processes:
            try:
                os.kill(process, number)
            except ProcessLookupError:  # it has ended
                continue

    with handled_signals(forward):
        yield


@contextmanager
def handled_signals(handler: Handler) -> Iterator[None]:
    """Call a function on the signals that end a training; only a main thread can.

    A launcher's own handler stays: submitit's queues the job again.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {}
    for number in SIGNALS:
        is_launchers = number != signal.SIGINT and callable(signal.getsignal(number))
        if not is_launchers:
            before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
