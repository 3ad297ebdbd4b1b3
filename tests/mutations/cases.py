"""What a case is, and how its outcome is judged."""

import random
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from pcam.cli.errors import system_errors_expected
from pcam.errors import PcamError

LONGEST_LINE = 2000  # characters of a message
Content = Mapping[str, object]  # what is read from an input; equal for equal content
Apply = Callable[[Path, random.Random], object]
Accept = Callable[[Content, Content], bool]


class Outcome(Enum):
    """What happened to a mutated input."""

    RIGHT = "right"
    ONE_LINE = "one line"
    TRACEBACK = "traceback"
    HANG = "hang"
    CRASH = "crash"
    SILENT = "silent"


GOOD = (Outcome.RIGHT, Outcome.ONE_LINE)


@dataclass(frozen=True)
class Mutation:
    """A change of an input.

    Attributes:
        name: what is changed.
        apply: makes the change in a folder, and may return what exactly was drawn.
        accept: whether other content is another valid input (before, after); None: content must be
            equal. No content at all is accepted where ``refused`` is set.
        refused: whether reading it without an error is wrong in any case.
        drawn: whether it differs from one draw to the next.
    """

    name: str
    apply: Apply
    accept: Accept | None = None
    refused: bool = False
    drawn: bool = False


@dataclass(frozen=True)
class Result:
    """The outcome of a case, and what explains it."""

    outcome: Outcome
    detail: str = ""
    place: str = ""


class Hang(BaseException):
    """A case took too long."""


def any_content(before: Content, after: Content) -> bool:
    """Accept each content that is read: nothing says which is right."""
    return True


def judge(mutation: Mutation, before: Content, read: Callable[[], Content]) -> Result:
    """Read a mutated input and return what happened."""
    try:
        with system_errors_expected():
            after = read()
    except PcamError as error:
        return _judge_message(error)
    except Hang:
        return Result(Outcome.HANG)
    except BaseException as error:
        return Result(Outcome.TRACEBACK, f"{type(error).__name__}: {error}"[:300], _place(error))
    if mutation.refused:
        return Result(Outcome.SILENT, "accepted")
    if after == before:
        return Result(Outcome.RIGHT)
    if mutation.accept is not None and mutation.accept(before, after):
        return Result(Outcome.RIGHT, "another valid input")
    changed = [key for key in {*before, *after} if before.get(key) != after.get(key)]
    shown = ", ".join(f"{key}: {str(after.get(key))[:60]}" for key in sorted(changed)[:3])
    return Result(Outcome.SILENT, shown)


def _judge_message(error: PcamError) -> Result:
    """Return whether a failure is reported as a person can read it: printable lines, not long."""
    lines = str(error).split("\n")
    expected = len(getattr(error, "faults", lines))
    for line in lines:
        if not line.isprintable() or not line.strip() or len(line) > LONGEST_LINE:
            return Result(Outcome.TRACEBACK, f"bad line: {line[:200]!r}", "message")
    if len(lines) != expected:
        return Result(Outcome.TRACEBACK, f"several lines: {lines[:3]!r}", "message")
    return Result(Outcome.ONE_LINE, lines[0])


def _place(error: BaseException) -> str:
    """Return the last line of pcam's that an error passed through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/pcam/" in frame.filename]
    last = own[-1] if own else frames[-1]
    return f"{'/'.join(Path(last.filename).parts[-2:])}:{last.lineno}"


def choose(mutations: Sequence[Mutation], count: int) -> list[Mutation]:
    """Return each mutation once, then those that are drawn again until there are enough."""
    drawn = [mutation for mutation in mutations if mutation.drawn]
    chosen = list(mutations)
    position = 0
    while drawn and len(chosen) < count:
        chosen.append(drawn[position % len(drawn)])
        position += 1
    return chosen


def count_outcomes(results: Sequence[Result]) -> Counter[Outcome]:
    """Return how often each outcome occurred."""
    return Counter(result.outcome for result in results)
