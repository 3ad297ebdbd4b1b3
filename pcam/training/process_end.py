"""How processes that train together end: all of them, or none goes on alone."""

import os
import signal
import time
from collections.abc import Sequence
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING

from pcam.errors import INTERRUPTED, STOPPED, RunError

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from torch.multiprocessing.spawn import ProcessContext

CHECK = 0.2  # seconds between looks at the processes
GRACE = 3.0  # seconds that the others have to end by themselves when one was killed
STATUS = {signal.SIGTERM: STOPPED, signal.SIGUSR1: STOPPED, signal.SIGINT: INTERRUPTED}


class ProcessKilledError(RunError):
    """A process that the system has killed."""


def start_quiet_tracker() -> None:
    """Start multiprocessing's process that removes semaphores, unless it runs already.

    It removes those of killed processes too, and would print a warning about them.
    """
    before = os.environ.get("PYTHONWARNINGS")
    quiet = "ignore:resource_tracker"
    os.environ["PYTHONWARNINGS"] = quiet if before is None else f"{before},{quiet}"
    try:
        resource_tracker.ensure_running()
    finally:
        del os.environ["PYTHONWARNINGS"]
        if before is not None:
            os.environ["PYTHONWARNINGS"] = before


def wait_for_all(context: "ProcessContext") -> None:
    """Wait until all processes of a group have ended.

    torch would end the others of a killed one after 30 seconds: they wait for it in the middle of a
    step.

    Raises:
        ProcessKilledError: one was killed.
        ProcessException: one has failed; torch's.
        SystemExit: a signal has ended one before it could handle it.
    """
    while not context.join(timeout=0):
        time.sleep(CHECK)
        _refuse_killed(context.processes)


def _refuse_killed(processes: "Sequence[BaseProcess]") -> None:
    for rank, process in enumerate(processes):
        if process.exitcode is None or process.exitcode >= 0:
            continue
        _end(processes)
        number = -process.exitcode
        if number in STATUS:
            raise SystemExit(STATUS[signal.Signals(number)])
        raise ProcessKilledError(_describe(rank, len(processes), number))


def _end(processes: "Sequence[BaseProcess]") -> None:
    """Give processes a moment to end, then kill those that are left."""
    deadline = time.monotonic() + GRACE
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
    for process in processes:
        process.kill()
        process.join()


def _describe(rank: int, count: int, number: int) -> str:
    """Return the line about a process that a signal has ended.

    Args:
        rank: number of the process, from 0.
        count: of processes.
        number: of the signal.
    """
    which = f"process {rank + 1} of {count} that train together"
    if number != signal.SIGKILL:
        return f"{which} was ended by {signal.Signals(number).name}"
    return (
        f"{which} was killed by the system, most likely for lack of memory; lower data.batch_size,"
        " data.num_workers or trainer.devices"
    )
