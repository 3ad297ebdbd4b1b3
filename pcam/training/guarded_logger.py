"""Loggers whose failures do not end a training."""

import logging
from argparse import Namespace
from collections.abc import Callable

from lightning.pytorch.loggers import Logger

from pcam.errors import PcamError, describe_error

log = logging.getLogger(__name__)


class GuardedLogger(Logger):
    """Passes on to a logger; after a failure, which is a warning, it passes nothing on.

    A full disk or a server that is gone costs what the logger shows, not the training.

    Args:
        wrapped: the logger.

    Attributes:
        has_failed: whether nothing is passed on any more.
    """

    def __init__(self, wrapped: Logger) -> None:
        super().__init__()
        self.wrapped = wrapped
        self.has_failed = False

    def call(self, function: Callable[..., object], *args: object, **kwargs: object) -> None:
        """Call a function that logs, unless the logger has failed before."""
        if self.has_failed:
            return
        try:
            function(*args, **kwargs)
        except PcamError as error:
            self.fail(str(error))
        except Exception as error:  # each logger raises errors of its own
            self.fail(describe_error(error))

    def fail(self, reason: str) -> None:
        """Warn, and pass nothing on from now on."""
        self.has_failed = True
        name = type(self.wrapped).__name__
        log.warning(f"{name} has failed, and the training goes on without it: {reason}")

    @property
    def name(self) -> str | None:
        """The name of the wrapped logger's runs."""
        return self.wrapped.name

    @property
    def version(self) -> int | str | None:
        """The version of the wrapped logger's run."""
        return self.wrapped.version

    @property
    def save_dir(self) -> str | None:
        """Where the wrapped logger writes."""
        return self.wrapped.save_dir

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Log figures of a step."""
        self.call(self.wrapped.log_metrics, metrics, step)

    def log_hyperparams(
        self, params: dict[str, object] | Namespace, *args: object, **kwargs: object
    ) -> None:
        """Log the config."""
        self.call(self.wrapped.log_hyperparams, params, *args, **kwargs)

    def save(self) -> None:
        """Write what is kept in memory."""
        self.call(self.wrapped.save)

    def finalize(self, status: str) -> None:
        """End the logging."""
        self.call(self.wrapped.finalize, status)
