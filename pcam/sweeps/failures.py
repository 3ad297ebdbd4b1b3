"""Why jobs of a sweep failed: failure.json in each job's folder."""

import math
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypedDict, cast

from pcam.errors import AccessError, PcamError, RunError, WriteError, describe_error
from pcam.runs.files import read_json, write_json
from pcam.sweeps.state import (
    has_later_job,
    is_search,
    job_count,
    read_sweep,
    resume_command,
    utc_now,
)


class FailureRecord(TypedDict, total=False):
    """The content of failure.json.

    Attributes:
        error: the message, in one line.
        expected: whether it is a known kind of failure; others come with a traceback.
        words: the job's overrides.
        time: when it failed, in UTC.
        traceback: of an unexpected failure.
    """

    error: str
    expected: bool
    words: list[str]
    time: str
    traceback: str


class FailedBefore(RunError):
    """A job of a search failed before, and later proposals rest on the search without it."""


@contextmanager
def recorded_failure(folder: Path, words: Sequence[str], search: bool) -> Iterator[None]:
    """Keep in failure.json why a job failed, until it is started again.

    Args:
        folder: the job's, which this process has locked.
        words: the job's overrides.
        search: whether it belongs to a search.

    Raises:
        FailedBefore: the job belongs to a search that continued without it.
    """
    reopen_job(folder, search)
    try:
        yield
    except Exception as error:
        with suppress(WriteError):  # the same full disk, perhaps; the failure itself is shown
            record_failure(folder, error, words)
        raise


def reopen_job(folder: Path, search: bool) -> None:
    """Prepare a job's folder for another start: remove the record of an earlier failure.

    Raises:
        FailedBefore: the job belongs to a search that continued without it.
    """
    path = folder / "failure.json"
    if not path.is_file():
        return
    if search and has_later_job(folder):
        message = read_failure(path).get("error")
        raise FailedBefore(f"{message} (at its first start; the search continued without it)")
    path.unlink()


def validate_objective(objective: float | None, folder: Path) -> None:
    """Make sure that a search can use the objective of a job; otherwise the search would end.

    Raises:
        RunError: it is not a number.
    """
    if objective is None or math.isnan(objective):
        raise RunError(
            f"{folder} has no valid AUROC, which the search maximises: valid has one class only, "
            "or the network's scores are not numbers"
        )


def record_failure(folder: Path, error: BaseException, words: Sequence[str]) -> str:
    """Write a job's failure.json; return its message."""
    expected = isinstance(error, PcamError)
    message = failure_message(error)
    content: FailureRecord = {
        "error": message,
        "expected": expected,
        "words": list(words),
        "time": utc_now(),
    }
    if not expected:
        content["traceback"] = "".join(traceback.format_exception(error))
    write_json(folder / "failure.json", content)
    return message


def read_failure(path: Path) -> FailureRecord:
    """Return the content of a failure.json; if it is damaged, that is the error."""
    from pcam.sweeps.records import describe_faulty_failure  # pydantic takes a moment

    try:
        content = read_json(path) or {}
        fault = describe_faulty_failure(content)
        if fault:
            raise RunError(f"{path} is damaged: {fault}")
    except (AccessError, RunError) as error:
        content = {"error": str(error)}
    return cast(FailureRecord, content)


def failure_summary(folder: Path) -> tuple[str, int] | None:
    """Return a line that names a sweep's failed jobs, and the exit status; None if none failed.

    The status is 2 if all failures are expected ones, else 1.
    """
    paths = sorted(folder.rglob("failure.json"), key=lambda path: _natural(path, folder))
    if not paths:
        return None
    record = read_sweep(folder)
    names = ", ".join(str(path.parent.relative_to(folder)) for path in paths)
    count = job_count(record)
    line = f"{len(paths)} of {count} jobs failed: {names} (see failure.json of each in {folder}); "
    if is_search(record) and all(has_later_job(path.parent) for path in paths):
        line += "the search continued without them"
    else:
        line += f"run the missing jobs with: {resume_command(folder, record)}"
    expected = all(read_failure(path).get("expected") for path in paths)
    return line, 2 if expected else 1


def failure_message(error: BaseException) -> str:
    """Return why a job failed, in one line."""
    if isinstance(error, PcamError):
        return "; ".join(str(error).split("\n"))
    kind, text = type(error).__name__, describe_error(error)
    return text if text.startswith(kind) else f"{kind}: {text}"


def _natural(path: Path, root: Path) -> tuple[int, str]:
    name = str(path.parent.relative_to(root))
    return len(name), name
