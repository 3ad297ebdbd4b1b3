"""The entry point that all commands share: compose and validate the config, run, report errors."""

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, NoReturn, TypeVar, cast

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from pcam import CONF
from pcam.cli.arguments import force_add, multirun_first, refuse_malformed
from pcam.cli.callbacks import CommandCallback
from pcam.cli.config import share_config_store, typed_config
from pcam.cli.console import job_output, print_error, show_log
from pcam.cli.errors import Abort, describe_hydra_error, system_errors_expected
from pcam.cli.groups import refuse_unnamed_choices
from pcam.cli.multirun import prepare_multirun
from pcam.cli.options import refuse_options
from pcam.errors import INTERRUPTED, PcamError, printable
from pcam.runs.allocator import keep_freed_memory
from pcam.runs.folder import ensure_not_run_dir
from pcam.runs.lock import lock_results
from pcam.runs.overrides import override_key
from pcam.runs.screen import keep_going_without_screen
from pcam.sweeps.failures import failure_summary, recorded_failure, validate_objective
from pcam.sweeps.state import (
    discard_sweep,
    plain_override,
    read_sweep,
    resume_command,
)

Config = TypeVar("Config")
FULL_ERROR = "HYDRA_FULL_ERROR"  # Hydra's: show tracebacks
EXPECTED_FAILURE = 2  # exit status


@dataclass(frozen=True)
class Invocation(Generic[Config]):
    """A command as a person started it, or one job of a sweep.

    Attributes:
        config: composed and validated.
        folder: for results; an empty one is removed at the end.
        overrides: of the command line, without Hydra's own.
        job: the job's number in a sweep; None for a single run.
        folder_given: whether the command line names the folder.
        search_path: its words for hydra.searchpath, folders of a user's own YAMLs.
    """

    config: Config
    folder: Path
    overrides: list[str]
    job: int | None
    folder_given: bool
    search_path: list[str] = field(default_factory=list)


Work = Callable[[Invocation[Config]], float | None]


def command(name: str, creates_runs: bool = False) -> Callable[[Work[Config]], Callable[[], None]]:
    """Make a command of a function: ``python -m pcam.NAME key=value group=option``.

    An expected failure is one line per fault on stderr and exit status 2. In a sweep the other jobs
    continue, and failure.json in a job's folder says why it failed. HYDRA_FULL_ERROR=1 shows the
    tracebacks.

    Args:
        name: of conf/NAME.yaml; the class of the config is NameConfig in ``pcam.config.schema``.
        creates_runs: whether its folder may hold a run; other commands would overwrite its summary.
    """

    def decorate(work: Work[Config]) -> Callable[[], None]:
        def task(composed: DictConfig) -> float | None:
            return _run_job(composed, name, work, creates_runs)

        @functools.wraps(work)
        def main() -> None:
            _run_command(name, task)

        return main

    return decorate


def _run_job(
    composed: DictConfig, name: str, work: Work[Config], creates_runs: bool
) -> float | None:
    """Validate the config and do the work: of a single run, or of one job of a sweep."""
    settings = HydraConfig.get()
    folder = Path(settings.runtime.output_dir)
    in_sweep = settings.mode == RunMode.MULTIRUN
    words = [plain_override(word) for word in settings.overrides.task]
    is_search = in_sweep and "sampler" in settings.sweeper
    keep_going_without_screen()  # a launcher may run the job in a process of its own
    keep_freed_memory()
    show_log()
    try:
        with contextlib.ExitStack() as stack:
            stack.enter_context(job_output(settings))
            if in_sweep or not creates_runs:  # a single training locks the run that it finds
                stack.enter_context(lock_results(folder))
            if in_sweep:
                stack.enter_context(recorded_failure(folder, words, is_search))
            stack.enter_context(system_errors_expected())
            if not creates_runs:
                ensure_not_run_dir(folder)
            objective = work(_invocation(typed_config(composed, name), folder, words))
            if is_search:
                validate_objective(objective, folder)
            return objective
    except PcamError as error:
        if in_sweep:
            raise
        raise Abort(error) from error
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _invocation(config: object, folder: Path, words: list[str]) -> Invocation[Config]:
    """Return a command with what Hydra knows about its command line."""
    settings = HydraConfig.get()
    typed = settings.overrides.hydra
    return Invocation(
        config=cast(Config, config),
        folder=folder,
        overrides=words,
        job=settings.job.num if settings.mode == RunMode.MULTIRUN else None,
        folder_given=_names_folder(typed),
        search_path=[word for word in typed if override_key(word) == "hydra.searchpath"],
    )


def _names_folder(hydra_overrides: list[str]) -> bool:
    return any(override_key(word) == "hydra.run.dir" for word in hydra_overrides)


def _run_command(name: str, task: Callable[[DictConfig], float | None]) -> None:
    """Run a command and leave the process as a failure asks for."""
    show_traceback = FULL_ERROR in os.environ
    typed = sys.argv[1:]
    keep_going_without_screen()
    try:
        refuse_options(multirun_first(typed))
        refuse_malformed(typed)
        refuse_unnamed_choices(typed)
        with _hydra_raises_errors(), system_errors_expected():
            _run_hydra(name, task, show_traceback)
    except Abort as abort:
        if not show_traceback and isinstance(abort.error, PcamError):
            _fail(str(abort.error))
        if not show_traceback and isinstance(abort.error, HydraException):
            _fail(describe_hydra_error(abort.error, name, typed))
        raise abort.error from None
    except PcamError as error:
        if show_traceback:
            raise
        _fail(str(error))
    except (HydraException, OmegaConfBaseException) as error:
        if show_traceback:
            raise
        _fail(describe_hydra_error(error, name, typed))
    except KeyboardInterrupt:
        _report_interruption()
    except SystemExit as end:  # of a single run, which has reported its reason
        if CommandCallback.sweep is None:
            raise
        _report_interruption(end.code)
    _exit_if_jobs_failed()


def _run_hydra(name: str, task: Callable[[DictConfig], float | None], show_traceback: bool) -> None:
    """Let Hydra compose the config and run the job or the jobs."""
    CommandCallback.reset()
    words = prepare_multirun(name, multirun_first(sys.argv[1:]))
    sys.argv[1:] = force_add(words)
    show_log()
    share_config_store()
    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name=name)(task)()
    except Exception:
        sweep = CommandCallback.sweep
        # The sweeper raises the first job's error; failure.json has it.
        if show_traceback or sweep is None or failure_summary(sweep) is None:
            raise
    finally:
        _remove_empty_folders()


def _remove_empty_folders() -> None:
    """Remove the folders that were created for nothing."""
    if CommandCallback.sweep is not None:
        discard_sweep(CommandCallback.sweep)
    CommandCallback.unlock()
    for folder in CommandCallback.created:
        try:
            folder.rmdir()
        except FileNotFoundError:
            continue
        except OSError:  # it is not empty
            return


@contextlib.contextmanager
def _hydra_raises_errors() -> Iterator[None]:
    """Make Hydra raise its errors, which it would print in many lines."""
    before = os.environ.get(FULL_ERROR)
    os.environ[FULL_ERROR] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[FULL_ERROR]


def _fail(message: str) -> NoReturn:
    print_error(message)
    sys.exit(EXPECTED_FAILURE)


def _report_interruption(status: int | str | None = INTERRUPTED) -> NoReturn:
    sweep = CommandCallback.sweep
    message = "Interrupted."
    if sweep is not None and (sweep / "sweep.json").is_file():
        message += f" Resume with: {resume_command(sweep, read_sweep(sweep))}"
    print(f"\n{printable(message)}", file=sys.stderr)
    sys.exit(status)


def _exit_if_jobs_failed() -> None:
    sweep = CommandCallback.sweep
    summary = failure_summary(sweep) if sweep is not None else None
    if summary is not None:
        line, status = summary
        print_error(line)
        sys.exit(status)
