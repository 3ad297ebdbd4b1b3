"""The folder of a sweep: what was asked for, which jobs ended well, and why the others did not.

FOLDER/sweep.json      the command's words, and each job's where they are known from the start
FOLDER/N/              job N, a run folder
FOLDER/N/failure.json  why it failed when it was last started; gone once it ends well
"""

import shlex
import traceback
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pcam.errors import PcamError, RunError, describe_error
from pcam.runs.files import read_json, write_json
from pcam.runs.overrides import identifying_overrides, override_key
from pcam.runs.provenance import code_commit

ELSEWHERE = (
    "resume",
    "hydra.sweep.dir",
    "hydra/launcher",
    "hydra.launcher",
)  # words that do not change what a sweep is


class FailedBefore(RunError):
    """A search has gone on without this job; its later proposals rest on that."""


def repeatable_words(words: Sequence[str]) -> list[str]:
    """Return the words that a command repeats which does what is missing of a sweep."""
    return [
        word
        for word in words
        if not any(
            override_key(word) == one or override_key(word).startswith(f"{one}.")
            for one in ELSEWHERE
        )
    ]


def read_sweep(folder: Path) -> dict[str, Any]:
    """Return a sweep's sweep.json.

    Raises:
        RunError: there is none, or it is broken.
    """
    path = folder / "sweep.json"
    told = read_json(path)
    if told is None:
        raise RunError(f"{folder} holds no sweep: {path.name} is missing")
    if not isinstance(told.get("words"), list):
        raise RunError(f"{path} is broken: it has no words")
    return told


def newest_sweep(root: Path, words: Sequence[str]) -> Path | None:
    """Return the newest sweep below a folder that was begun by the same words, if there is one."""
    found = []
    for path in root.glob("**/sweep.json"):
        told = read_sweep(path.parent)
        if identifying_overrides(told["words"]) == identifying_overrides(words):
            found.append((str(told.get("begun")), path.parent))
    return max(found)[1] if found else None


def start_sweep(
    folder: Path, door: str, words: Sequence[str], told: Mapping[str, Any], anew: bool
) -> None:
    """Write a sweep's sweep.json, or make sure that the one in the folder was begun by the same words.

    Args:
        folder: the sweep's.
        door: whose command it is.
        words: of the command line.
        told: "jobs", each job's words, None where one job's outcome decides the next one's (a search); "trials", how many jobs
            a search makes; "varied", the keys that differ between jobs.
        anew: there need not be one.

    Raises:
        RunError: the folder holds another sweep, or a run.
    """
    if (folder / "config.yaml").exists():
        raise RunError(f"{folder} holds a single run; without -m, resume= goes on with it")
    if not anew or (folder / "sweep.json").exists():
        begun = read_sweep(folder)["words"]
        if identifying_overrides(begun) != identifying_overrides(words):
            line = f"{folder} was begun by other words: {shlex.join(begun)}"
            raise RunError(f"{line}; type them as they were, or set another hydra.sweep.dir")
        return
    content = {
        "door": door,
        "words": repeatable_words(words),
        "begun": _now(),
        **told,
        "commit": code_commit(),
    }
    try:
        write_json(folder / "sweep.json", content)
    except OSError as error:
        raise RunError(f"{folder} cannot be written ({error}); set hydra.sweep.dir") from error


def discard_sweep(folder: Path) -> None:
    """Take back what ``start`` wrote of a sweep that had no job."""
    if {path.name for path in folder.iterdir()} <= {"sweep.json", "multirun.yaml"}:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def has_later_job(folder: Path) -> bool:
    """Tell whether a later job of the sweep has begun."""
    return folder.name.isdigit() and folder.with_name(str(int(folder.name) + 1)).is_dir()


def reopen_job(folder: Path, search: bool) -> None:
    """Make a job's folder ready for another start: why it failed before counts no more.

    Raises:
        FailedBefore: it is of a search, which has gone on without it.
    """
    path = folder / "failure.json"
    if not path.is_file():
        return
    if search and has_later_job(folder):
        raise FailedBefore(
            f"{_failure(path).get('error')} (when it was first started; the search went on without it)"
        )
    path.unlink()


def record_failure(folder: Path, error: BaseException, words: Sequence[str]) -> str:
    """Write a job's failure.json; return its line."""
    expected = isinstance(error, PcamError)
    kind, line = (
        type(error).__name__,
        " ".join(str(error).split()) if expected else describe_error(error),
    )
    if not expected and not line.startswith(kind):
        line = f"{kind}: {line}"
    told: dict[str, Any] = {
        "error": line,
        "expected": expected,
        "words": list(words),
        "time": _now(),
    }
    if not expected:
        told["traceback"] = "".join(traceback.format_exception(error))
    write_json(folder / "failure.json", told)
    return line


def failure_summary(folder: Path) -> tuple[str, int] | None:
    """Return the line that names the jobs that failed, and the exit status; None where all ended well."""
    failed = {
        path.parent: bool(_failure(path).get("expected")) for path in folder.rglob("failure.json")
    }
    if not failed:
        return None
    told = read_sweep(folder)
    count = len(told["jobs"]) if told["jobs"] else told["trials"]
    names = ", ".join(
        sorted(
            (str(path.relative_to(folder)) for path in failed), key=lambda name: (len(name), name)
        )
    )
    which = f"{len(failed)} of {count} jobs failed: {names} (why: failure.json of each in {folder})"
    mend = (
        "the search went on without it"
        if not told["jobs"] and all(map(has_later_job, failed))
        else resume_hint(folder)
    )
    return f"{which}; {mend}", 2 if all(failed.values()) else 1


def resume_hint(folder: Path) -> str:
    """Return what to type so that what is missing of a sweep is done."""
    return f"the same command with hydra.sweep.dir={shlex.quote(str(folder))} does what is missing"


def find_sweep(folder: Path) -> Path | None:
    """Return the sweep that a run folder belongs to, if it does."""
    return next(
        (
            parent
            for parent in list(folder.absolute().parents)[:3]
            if (parent / "sweep.json").is_file()
        ),
        None,
    )


def _failure(path: Path) -> dict[str, Any]:
    """Return what a failure.json says; that it is damaged, where it is."""
    try:
        return read_json(path) or {}
    except RunError as error:
        return {"error": str(error)}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
