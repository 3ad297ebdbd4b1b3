"""Runs cases in a process of their own, which may hang or crash."""

import contextlib
import json
import os
import random
import resource
import select
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.mutations.cases import Content, Hang, Mutation, Outcome, Result, judge

SECONDS = 30  # that a case may take
GRACE = 10  # more, for libraries that a signal does not interrupt
MEMORY = 12 << 30  # bytes of address space


class Subject(Protocol):
    """A kind of input.

    Attributes:
        name: of the kind.
        mutations: of it, each at least once.
    """

    name: str

    @property
    def mutations(self) -> Sequence[Mutation]:
        """The changes of the input."""

    def build(self, folder: Path) -> None:
        """Write the whole input into an empty folder."""

    def read(self, folder: Path) -> Content:
        """Return what a command reads from the input."""


@dataclass(frozen=True)
class Series:
    """The cases of one kind of input.

    Attributes:
        subject: the kind.
        mutations: one per case.
        seed: of the draws.
        original: folder of the whole input.
        before: what is read from it.
    """

    subject: Subject
    mutations: Sequence[Mutation]
    seed: int
    original: Path
    before: Content


def run_cases(
    subject: Subject, mutations: Sequence[Mutation], seed: int, done: Callable[[int], None]
) -> list[Result]:
    """Return the outcome of each mutation of one kind of input."""
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as scratch:
        original = Path(scratch, "original")
        original.mkdir()
        subject.build(original)
        before = subject.read(_copy(original, Path(scratch, "case", "input")))
        series = Series(subject, mutations, seed, original, before)
        while len(results) < len(mutations):
            for result in _run_child(series, len(results)):
                results.append(result)
                done(len(results))
    return results


def _run_child(series: Series, start: int) -> Iterator[Result]:
    """Yield the outcomes that one child finds, until it has all or does not survive a case."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _work(series, start, writer)
    os.close(writer)
    count = 0
    try:
        with os.fdopen(reader, "rb", buffering=0) as pipe:
            for line in _lines(pipe):
                outcome, detail, place = json.loads(line)
                yield Result(Outcome(outcome), detail, place)
                count += 1
    except TimeoutError:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        yield Result(Outcome.HANG, "killed")
        return
    _, status = os.waitpid(child, 0)
    if start + count < len(series.mutations):
        yield Result(Outcome.CRASH, f"wait status {status}")


def _lines(pipe: object) -> Iterator[bytes]:
    unfinished = b""
    while True:
        ready, _, _ = select.select([pipe], [], [], SECONDS + GRACE)
        if not ready:
            raise TimeoutError
        block = os.read(pipe.fileno(), 1 << 16)  # type: ignore[attr-defined]
        if not block:
            return
        *lines, unfinished = (unfinished + block).split(b"\n")
        yield from lines


def _work(series: Series, start: int, writer: int) -> None:
    """Run cases in a child; it never returns."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, _raise_hang)
    try:
        _work_on(series, start, writer)
    finally:
        os._exit(0)  # the parent's clean-up is not the child's


def _work_on(series: Series, start: int, writer: int) -> None:
    for number in range(start, len(series.mutations)):
        draw = random.Random(f"{series.seed}/{series.subject.name}/{number}")
        result = _run_case(series, series.mutations[number], draw)
        line = json.dumps([result.outcome.value, result.detail, result.place])
        os.write(writer, line.encode() + b"\n")


def _run_case(series: Series, mutation: Mutation, draw: random.Random) -> Result:
    folder = _copy(series.original, series.original.with_name("case") / "input")
    try:
        drawn = str(mutation.apply(folder, draw) or "")
    except Exception as error:  # of the suite itself
        return Result(Outcome.CRASH, f"the mutation failed: {type(error).__name__}: {error}")
    try:
        signal.alarm(SECONDS)
        result = judge(mutation, series.before, lambda: series.subject.read(folder))
    except Hang:
        result = Result(Outcome.HANG)
    finally:
        signal.alarm(0)
    return Result(
        result.outcome, f"[{drawn}] {result.detail}" if drawn else result.detail, result.place
    )


def _copy(original: Path, target: Path) -> Path:
    """Return a copy, made of links to the original's files: mutations replace files."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(target.parent)
    shutil.copytree(original, target, copy_function=os.link)
    return target


def _raise_hang(signum: int, frame: object) -> None:
    raise Hang
