"""What happens before and after Hydra's jobs. conf/command.yaml names the class here."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig

from pcam.cli.errors import Abort
from pcam.cli.multirun import ensure_no_choices_left, start_multirun
from pcam.errors import RunError, printable
from pcam.runs.lock import lock_results
from pcam.sweeps.failures import failure_message


class CommandCallback(Callback):
    """Creates a run's folder; keeps a sweep's state.

    Attributes:
        sweep: the folder of the sweep that this process started.
        created: the folders that were created for the results, innermost first.
        lock: the lock of the sweep's folder.
    """

    # Hydra makes the instance itself, so the command reads these from the class.
    sweep: ClassVar[Path | None] = None
    created: ClassVar[tuple[Path, ...]] = ()
    lock: ClassVar[ExitStack] = ExitStack()

    @classmethod
    def reset(cls) -> None:
        """Clear what is known of an earlier command of the same process."""
        cls.sweep = None
        cls.created = ()

    @classmethod
    def unlock(cls) -> None:
        """Let other processes write into the sweep's folder."""
        cls.lock.close()

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Create the folder of a single run."""
        folder = Path(config.hydra.run.dir)
        try:
            ensure_no_choices_left(config)
            CommandCallback.created = _missing_folders(folder)
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"cannot create output directory {folder} ({error}); set hydra.run.dir"
            raise Abort(RunError(message)) from error
        except Exception as error:
            raise Abort(error) from error

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Lock the sweep's folder and write its state."""
        folder = Path(config.hydra.sweep.dir).absolute()
        try:
            CommandCallback.created = _missing_folders(folder)
            CommandCallback.lock.enter_context(lock_results(folder, "hydra.sweep.dir"))
            CommandCallback.sweep = start_multirun(config, config.hydra.job.config_name)
        except Exception as error:
            raise Abort(error) from error

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Name the best of several trials with the same AUROC, of which Optuna takes the first."""
        if CommandCallback.sweep is not None and "sampler" in config.hydra.sweeper:
            from pcam.sweeps.search import name_best_trial  # the config's schema takes a moment

            name_best_trial(CommandCallback.sweep)

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Say why a sweep's job failed."""
        if config.hydra.mode != RunMode.MULTIRUN or job_return.status == JobStatus.COMPLETED:
            return
        message = failure_message(job_return._return_value)  # the property raises it
        print(
            f"job {config.hydra.job.num} failed: {printable(message)}", file=sys.stderr, flush=True
        )


def _missing_folders(folder: Path) -> tuple[Path, ...]:
    """Return a folder and its parents as far as they do not exist, innermost first."""
    folder = folder.absolute()
    return tuple(path for path in (folder, *folder.parents) if not path.exists())
