"""What a command shows on the terminal."""

import io
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import (
    AbstractContextManager,
    contextmanager,
    nullcontext,
    redirect_stderr,
    redirect_stdout,
)
from typing import TextIO

from hydra.conf import HydraConf
from hydra.types import RunMode
from tqdm import tqdm

from pcam.errors import printable, printable_lines

# The loggers whose messages a person sees: ours, and Hydra's about the jobs of a sweep.
LOGGERS = ("pcam", "hydra", "hydra_plugins")
# Hydra's launcher of one job after the other
SEQUENTIAL = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"


class ConsoleHandler(logging.Handler):
    """Shows messages plainly: warnings on stderr, all others on stdout."""

    def emit(self, record: logging.LogRecord) -> None:
        """Show one message."""
        stream = sys.stderr if record.levelno >= logging.WARNING else sys.stdout
        text = self.format(record)
        if record.name.startswith("hydra"):
            text = text.replace(" ++", " ")  # as the overrides were typed
        print(printable_lines(text), file=stream, flush=True)


class NamedOutput(io.TextIOBase):
    """A stream whose lines start with the name of the job that writes them.

    It passes on whole lines only, so that lines of several jobs do not mix, and it is no terminal,
    so that no job draws a progress bar over the others' lines.

    Args:
        stream: where the lines go.
        name: of the job.
    """

    def __init__(self, stream: TextIO, name: str) -> None:
        self.stream = stream
        self.name = name
        self._unfinished = ""

    def write(self, text: str) -> int:
        """Write the lines that are complete."""
        *lines, self._unfinished = (self._unfinished + text).split("\n")
        named = [f"{self.name}: {line}".rstrip() + "\n" for line in lines]
        if named:
            self.stream.write("".join(named))
            self.stream.flush()
        return len(text)

    def finish(self) -> None:
        """Write a last line that does not end with a line break."""
        if self._unfinished:
            self.write("\n")


@contextmanager
def name_output(name: str) -> Iterator[None]:
    """Start each line of stdout and stderr with a name."""
    out, err = NamedOutput(sys.stdout, name), NamedOutput(sys.stderr, name)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            yield
    finally:
        out.finish()
        err.finish()


def job_output(settings: HydraConf) -> AbstractContextManager[None]:
    """Return the context that names a job's output if a launcher may run others beside it.

    Args:
        settings: Hydra's own section of the job's config.
    """
    is_alone = settings.mode != RunMode.MULTIRUN or settings.launcher._target_ == SEQUENTIAL
    return nullcontext() if is_alone else name_output(f"job {settings.job.num}")


def show_log() -> None:
    """Show the messages of ``LOGGERS`` from level INFO."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        if not any(isinstance(handler, ConsoleHandler) for handler in logger.handlers):
            logger.addHandler(ConsoleHandler())


def show(*texts: object) -> None:
    """Print texts of one or more lines; what files say in them cannot steer the terminal."""
    for text in texts:
        print(printable_lines(str(text)))


def print_error(message: str) -> None:
    """Print each line of a failure's message on stderr."""
    for line in message.split("\n"):
        print(f"error: {printable(line)}", file=sys.stderr, flush=True)


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar for work on patches.

    Yields:
        A function that updates the bar: (split, patches done, patches in all).
    """
    with tqdm(unit="patch", desc=title, disable=None, leave=False) as bar:

        def update(split: str, done: int, size: int) -> None:
            if bar.total != size or done < bar.n:
                bar.reset(size)
                bar.set_description(f"{title}: {split}")
            bar.update(done - bar.n)

        yield update
