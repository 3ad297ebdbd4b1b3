"""What is left of a training that has ended before its end, and how it goes on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from pcam.config.plugins import imported_plugins
from pcam.errors import STOPPED, PcamError, format_override
from pcam.runs.folder import last_checkpoint
from pcam.training.signals import StopRequest
from pcam.training.step_checkpoints import EpochPosition


def describe_kept(folder: Path, *overrides: str) -> str:
    """Return which checkpoint of a run is left after a failure, and how to go on from it.

    Args:
        folder: the run's.
        *overrides: to set then.
    """
    path = last_checkpoint(folder)
    if not path.is_file():
        start = format_override("hydra.run.dir", folder)
        return f"no checkpoint was written; start it again with {start} resume=auto"
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    epoch, position = int(checkpoint["epoch"]) + 1, EpochPosition.read(checkpoint)
    where = f"epoch {epoch}" if position is None else f"batch {position.batch} of epoch {epoch}"
    command = " ".join([resume_command(folder), *overrides])
    return f"{path} of {where} is kept: {command}"


def resume_command(folder: Path) -> str:
    """Return the command that resumes a run."""
    words = ["python -m pcam.train", format_override("resume", folder)]
    plugins = imported_plugins()
    if plugins:
        words.append(format_override("plugins", plugins))
    return " ".join(words)


@contextmanager
def kept_checkpoint_named(folder: Path, *kinds: type[PcamError]) -> Iterator[None]:
    """Add to a failure which checkpoint is kept, if there is one.

    Args:
        folder: the run's.
        *kinds: of failures.

    Raises:
        PcamError: the same, with that.
    """
    try:
        yield
    except kinds as error:
        if not last_checkpoint(folder).is_file():
            raise
        *others, fault = error.faults
        raise type(error)(*others, f"{fault}; {describe_kept(folder)}") from error


def describe_stop(stop: StopRequest, folder: Path) -> str:
    """Return why a training ended before its end, and how it goes on."""
    text = f"\nEnded by {stop.name}." if stop.status == STOPPED else "\nInterrupted."
    if last_checkpoint(folder).is_file():
        text += f" Resume with: {resume_command(folder)}"
    return text
