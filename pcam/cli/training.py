"""The order of a training: find or start its run, lock it, train, and clean up after a failure."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pcam.errors import ConfigError, PcamError, RunError
from pcam.runs.folder import discard_run, read_config, start_run
from pcam.runs.lock import lock_results
from pcam.runs.next_commands import next_commands
from pcam.runs.overrides import override_key
from pcam.runs.resume import (
    find_run_to_resume,
    finished_objective,
    resume_config,
    sweep_objective,
)

if TYPE_CHECKING:
    from pcam.cli.command import Invocation
    from pcam.config.schema import TrainConfig

    Summary = Mapping[str, Mapping[str, Mapping[str, float | None]]]

log = logging.getLogger(__name__)
OUTPUTS = "outputs"  # where single runs are by default


@dataclass(frozen=True)
class PlannedRun:
    """A run that is about to be trained.

    Attributes:
        config: a resumed run's own, with what may change as it is given now.
        folder: the run's.
        resumed: whether it continues from its last checkpoint.
        writes: whether this node writes the run; other nodes only train along.
    """

    config: TrainConfig
    folder: Path
    resumed: bool
    writes: bool


def run_training(invocation: Invocation[TrainConfig]) -> float:
    """Train as the config says, or resume a run.

    A job of a sweep that has finished before is not trained again.

    Returns:
        The best checkpoint's valid AUROC, for sweepers; NaN on nodes that do not write.

    Raises:
        PcamError: the run cannot be started, resumed or trained.
    """
    from pcam.models.hub import expand_model

    model = expand_model(invocation.config.model)
    config = invocation.config.model_copy(update={"model": model})
    invocation = replace(invocation, config=config)
    if invocation.job is not None:
        return _run_job(invocation)
    with _locked_run(invocation) as run:
        objective = _start_and_train(invocation, run)
    if run.writes:
        log.info(_next_steps(invocation, run))
    return objective


def _run_job(invocation: Invocation[TrainConfig]) -> float:
    """Train one job of a sweep, whose folder is locked, unless it has finished before."""
    objective = finished_objective(invocation.folder, invocation.config)
    if objective is not None:
        log.info(f"{invocation.folder} is finished: valid AUROC {objective:.4f}")
        return objective
    return _start_and_train(invocation, _plan_run(invocation))


@contextmanager
def _locked_run(invocation: Invocation[TrainConfig]) -> Iterator[PlannedRun]:
    """Find the run to train, and lock it before anything in its folder is changed.

    Raises:
        FolderInUse: another process is training it.
    """
    planned = _plan_run(invocation)
    if not planned.writes:
        yield planned
        return
    with lock_results(planned.folder):
        run = _plan_run(invocation)  # another process may have trained it until now
        if run.folder != planned.folder:
            raise RunError(f"another process has just finished {planned.folder}; start again")
        yield run


def _start_and_train(invocation: Invocation[TrainConfig], run: PlannedRun) -> float:
    """Train a run that is locked; a new one that fails before its first checkpoint is removed."""
    is_new = run.writes and not run.resumed
    if is_new:
        start_run(run.folder, run.config, restart=_resume(invocation) == "auto")
    try:
        return _train(run, invocation.job)
    except (PcamError, SystemExit, KeyboardInterrupt):
        if is_new:
            discard_run(run.folder)
        raise


def _resume(invocation: Invocation[TrainConfig]) -> str:
    """Return what to resume: a run folder, "auto", or nothing; a sweep's jobs are always "auto"."""
    if invocation.job is not None:
        return "auto"
    return invocation.config.resume or ""


def _plan_run(invocation: Invocation[TrainConfig]) -> PlannedRun:
    """Find the run to resume, or plan a new one."""
    from pcam.training.processes import node_rank

    config, folder = invocation.config, invocation.folder
    resume = _resume(invocation)
    nodes = config.trainer.num_nodes
    one_folder = invocation.folder_given or resume not in ("", "auto")
    if nodes > 1 and (invocation.job is not None or not one_folder):
        raise ConfigError(
            f"trainer.num_nodes={nodes}: all nodes write into one folder, so hydra.run.dir=FOLDER "
            "must be given; a sweep cannot use several nodes"
        )
    run = PlannedRun(config, folder, resumed=False, writes=node_rank(config.trainer) == 0)
    if not resume:
        return run
    outputs = None if invocation.job is not None or nodes > 1 else Path(OUTPUTS)
    earlier = find_run_to_resume(resume, folder, outputs, config)
    if earlier is None:
        return run
    keys = map(override_key, invocation.overrides)
    config = resume_config(read_config(earlier), config, keys, earlier)
    return replace(run, config=config, folder=earlier, resumed=True)


def _train(run: PlannedRun, job: int | None) -> float:
    """Train a run; return the objective."""
    from pcam.training.fit import train  # torch takes seconds to import

    summary = train(run.config, run.folder, resume=run.resumed, job=job)
    if not run.writes:
        return float("nan")
    return sweep_objective(cast("Summary", summary))


def _next_steps(invocation: Invocation[TrainConfig], run: PlannedRun) -> str:
    """Return the commands to try next."""
    # resume=FOLDER alone does not show what the run was.
    known = _resume(invocation) in ("", "auto")
    overrides = [*invocation.search_path, *invocation.overrides] if known else None
    commands = next_commands(run.folder, run.config, overrides)
    return "\n".join(["\nnext:", *(f"  {line}" for line in commands)])
