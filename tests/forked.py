"""Commands in processes that are forked from one that has imported all, which saves seconds each.

The process that is forked has trained nothing and has no threads. Tests of how a command starts, of
what it imports, or of joblib's processes use ``tests.conftest.command`` instead.

Processes that train together are forked too: from such a command, and where a test uses the fixture
``forked_group``. ``tests/training/test_process_end.py`` spawns them, as users do.
"""

import logging
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

from torch.multiprocessing import ProcessContext, start_processes

PRELOADED = "tests.preloaded"  # imports what most commands import


@cache
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([PRELOADED])
    return context


def fork_group(*arguments: object, **options: object) -> ProcessContext | None:
    """Be ``torch.multiprocessing.spawn``, whose processes would each import everything.

    These too get their arguments pickled, and nothing that a test has patched.
    """
    _server()
    return start_processes(*arguments, **options, start_method="forkserver")


def forked(
    *words: object, cwd: Path, timeout: float = 300, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run a command line in a process of its own; see ``command``, which also starts Python.

    Args:
        words: the module and its command line.
        cwd: the folder to run in.
        timeout: seconds.
        env: variables beside this process's own.
    """
    typed = [str(word) for word in words]
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = _start(typed, cwd, env, out, err)
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(typed, timeout)
        return subprocess.CompletedProcess(
            typed, process.exitcode, out.read_text(), err.read_text()
        )


def forked_and_killed(*words: object, cwd: Path, when: Callable[[], bool]) -> None:
    """Run a command line in a process that is killed (SIGKILL) as soon as a condition holds.

    Args:
        words: the module and its command line.
        cwd: the folder to run in.
        when: the condition; it has to hold before the command ends.
    """
    typed = [str(word) for word in words]
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = _start(typed, cwd, {}, out, err)
        while not when():
            assert process.exitcode is None, err.read_text()
            time.sleep(0.002)
        process.kill()
        process.join()


def _start(typed: list[str], cwd: Path, env: dict[str, str], out: Path, err: Path) -> BaseProcess:
    """Start a command line in a process that is forked from the server."""
    everything = {**os.environ, "CUDA_VISIBLE_DEVICES": "", **env}
    process = _server().Process(target=_run, args=(typed, cwd, everything, out, err))
    process.start()
    return process


def _run(words: list[str], cwd: Path, env: dict[str, str], out: Path, err: Path) -> None:
    """Be ``python -m WORDS``: in a folder, with an environment, writing to two files."""
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    for stream, path in ((sys.stdout, out), (sys.stderr, err)):
        stream.flush()
        file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(file, stream.fileno())
    sys.modules["torch.multiprocessing.spawn"].spawn = _fork_again  # type: ignore[attr-defined]
    sys.argv = words
    sys.path[:0] = [str(cwd), *env.get("PYTHONPATH", "").split(os.pathsep)]
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


def _fork_again(
    function: Callable[..., object], arguments: tuple[object, ...], **options: object
) -> ProcessContext | None:
    """Be ``torch.multiprocessing.spawn`` in a process that is forked itself."""
    return start_processes(
        _without_handlers, (function, *arguments), **options, start_method="fork"
    )


def _without_handlers(rank: int, function: Callable[..., object], *arguments: object) -> None:
    """Call a function in a process that prints no messages twice."""
    for name in ("", "pcam"):
        logging.getLogger(name).handlers.clear()
    function(rank, *arguments)
