"""What a command shows on the terminal."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper

from tqdm import tqdm

# The loggers whose messages a person sees: ours, and Hydra's about the jobs of a sweep.
LOGGERS = ("pcam", "hydra", "hydra_plugins")


class ConsoleHandler(logging.Handler):
    """Shows messages plainly: warnings on stderr, all others on stdout."""

    def emit(self, record: logging.LogRecord) -> None:
        """Show one message."""
        stream = sys.stderr if record.levelno >= logging.WARNING else sys.stdout
        text = self.format(record)
        if record.name.startswith("hydra"):
            text = text.replace(" ++", " ")  # as the overrides were typed
        print(text, file=stream, flush=True)


def print_any_text() -> None:
    """Escape what the terminal's encoding lacks, such as letters of a path."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def show_log() -> None:
    """Show the messages of ``LOGGERS`` from level INFO."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        if not any(isinstance(handler, ConsoleHandler) for handler in logger.handlers):
            logger.addHandler(ConsoleHandler())


def print_error(message: str) -> None:
    """Print each line of a failure's message on stderr."""
    for line in message.splitlines():
        print(f"error: {line}", file=sys.stderr, flush=True)


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
