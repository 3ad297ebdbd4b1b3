"""The state of a sweep, as its folder holds it.

FOLDER/sweep.json      the command, its overrides, and each job's if they are known from the start
FOLDER/N/              job N, a run folder
FOLDER/N/failure.json  why job N failed when it last ran; removed when it finishes
"""

import shlex
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict, cast

from pcam.errors import RunError, WriteError, format_override
from pcam.runs.access import ensure_inside
from pcam.runs.earlier_keys import with_current_keys
from pcam.runs.files import read_json, write_json
from pcam.runs.lock import LOCK_NAME
from pcam.runs.overrides import identifying_overrides, override_key
from pcam.runs.provenance import code_commit

# Overrides that do not change what a sweep is.
PLACEMENT_KEYS = ("resume", "hydra.sweep.dir", "hydra/launcher", "hydra.launcher", "hydra.mode")


class SweepRecord(TypedDict, total=False):
    """The content of sweep.json.

    Attributes:
        command: the command that runs the jobs, "train".
        words: the overrides of the command line that identify the sweep.
        started: when it started, in UTC.
        jobs: each job's overrides; None for a search, which decides them as it goes.
        trials: how many jobs a search runs; None otherwise.
        varied: keys whose value differs between jobs.
        commit: of the code.
    """

    command: str
    words: list[str]
    started: str
    jobs: list[list[str]] | None
    trials: int | None
    varied: list[str]
    commit: str | None


def plain_override(word: str) -> str:
    """Return an override as a person types it, without the ``++`` that the command line adds."""
    return word.removeprefix("++")


def is_same_sweep(words: Iterable[str], others: Iterable[str]) -> bool:
    """Return whether two command lines start the same sweep."""
    return _identity(words) == _identity(others)


def read_sweep(folder: Path) -> SweepRecord:
    """Return the content of a sweep's sweep.json.

    Raises:
        RunError: it is missing or damaged.
    """
    from pcam.sweeps.records import describe_faulty_sweep  # pydantic takes a moment

    path = folder / "sweep.json"
    ensure_inside(path, folder)
    content = read_json(path)
    if content is None:
        raise RunError(f"{folder} is not a sweep folder: {path.name} is missing")
    record = with_current_keys("sweep", content)
    fault = describe_faulty_sweep(record)
    if fault:
        raise RunError(f"{path} is damaged: {fault}")
    defaults = {"command": "train", "started": ""}
    return cast(SweepRecord, defaults | record)


def newest_sweep(root: Path, words: Sequence[str]) -> Path | None:
    """Return the newest sweep below a folder that has the same overrides, if there is one."""
    found = []
    for path in root.glob("**/sweep.json"):
        record = read_sweep(path.parent)
        if is_same_sweep(record["words"], words):
            found.append((str(record["started"]), path.parent))
    return max(found)[1] if found else None


def start_sweep(folder: Path, record: SweepRecord) -> None:
    """Write a sweep's sweep.json, or check that the one in the folder is of the same sweep.

    Args:
        folder: the sweep's.
        record: what identifies it; ``started`` and ``commit`` are added.

    Raises:
        RunError: the folder holds another sweep or a run.
        WriteError: it cannot be written.
    """
    ensure_no_run(folder)
    if (folder / "sweep.json").exists():
        saved = read_sweep(folder)["words"]
        if not is_same_sweep(saved, record["words"]):
            raise RunError(
                f"{folder} holds a sweep with other overrides: {shlex.join(saved)}; "
                "use the same overrides, or set another hydra.sweep.dir"
            )
        return
    words = _stored_words(record["words"])
    content = {**record, "words": words, "started": utc_now(), "commit": code_commit()}
    try:
        write_json(folder / "sweep.json", content)
    except WriteError as error:
        error.advice = "make room, or set another hydra.sweep.dir"
        raise


def ensure_no_run(folder: Path) -> None:
    """Make sure that a sweep's folder is not a single run's.

    Raises:
        RunError: it is.
    """
    if (folder / "config.yaml").exists():
        raise RunError(f"{folder} is a single run; resume it without -m")


def discard_sweep(folder: Path) -> None:
    """Remove sweep.json and the folder of a sweep that has no job."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else {""}
    if names <= {"sweep.json", "multirun.yaml", LOCK_NAME}:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def has_later_job(folder: Path) -> bool:
    """Return whether a later job of the sweep has started."""
    return folder.name.isdigit() and folder.with_name(str(int(folder.name) + 1)).is_dir()


def is_search(record: SweepRecord) -> bool:
    """Return whether a sweep is a search, whose jobs are not known from the start."""
    return not record.get("jobs")


def job_count(record: SweepRecord) -> int:
    """Return how many jobs a sweep has when it is complete."""
    return len(record.get("jobs") or ()) or int(record.get("trials") or 0)


def resume_command(folder: Path, record: SweepRecord) -> str:
    """Return the command that runs the missing jobs of a sweep."""
    words = shlex.join(map(str, record["words"]))
    command = record.get("command", "train")
    return f"python -m pcam.{command} -m {words} {format_override('hydra.sweep.dir', folder)}"


def find_sweep(folder: Path) -> Path | None:
    """Return the folder of the sweep that a run folder belongs to, if it does."""
    for parent in list(folder.absolute().parents)[:3]:
        if (parent / "sweep.json").is_file():
            return parent
    return None


def _identity(words: Iterable[str]) -> list[str]:
    return identifying_overrides(_stored_words(words))


def _stored_words(words: Iterable[str]) -> list[str]:
    """Return the overrides to repeat a sweep with: all but where it runs; Hydra's own come last."""
    kept = [plain_override(word) for word in words if not _is_placement(override_key(word))]
    own = [word for word in kept if not _is_hydra(word)]
    return own + [word for word in kept if _is_hydra(word)]


def utc_now() -> str:
    """Return the time, in UTC, for a record."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _is_placement(key: str) -> bool:
    return any(key == one or key.startswith(f"{one}.") for one in PLACEMENT_KEYS)


def _is_hydra(word: str) -> bool:
    return override_key(word).startswith(("hydra.", "hydra/"))
