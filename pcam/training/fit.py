"""One training, from a config to a run folder, in one process or several."""

import json
import logging
from pathlib import Path

import torch

from pcam.config.schema import TrainConfig
from pcam.data.workers import dead_workers_reported
from pcam.errors import AccessError, DataError, NotFiniteError, WriteError
from pcam.runs.checkpoints import resumable_checkpoint
from pcam.runs.folder import best_checkpoint
from pcam.runs.trees import JsonObject
from pcam.stats.formatting import pluralize
from pcam.training.dashboard import Dashboard
from pcam.training.features import use_features
from pcam.training.finite import hint
from pcam.training.kept import describe_kept, describe_stop, kept_checkpoint_named
from pcam.training.library_errors import DeviceMemoryError, library_errors_reported
from pcam.training.loggers import finish_loggers, log_results, start_loggers
from pcam.training.preparation import Training, prepare, report_start, write_start
from pcam.training.process_end import ProcessKilledError
from pcam.training.processes import ProcessGroup, launch_processes, process_group
from pcam.training.rate_search import find_rates, require_one_process
from pcam.training.results import (
    SplitResult,
    format_result,
    measure,
    to_evaluation,
    write_results,
)
from pcam.training.run_summary import summarise
from pcam.training.signals import StopRequest, stop_on_signals
from pcam.training.splitting import checkpoint_time, memory_errors_counted, release_memory
from pcam.training.symmetries import score_symmetries
from pcam.training.trained_data import TrainedData
from pcam.training.trainer import build_trainer, choose_devices, count_processes

log = logging.getLogger(__name__)


def train(config: TrainConfig, folder: Path, resume: bool, job: int | None = None) -> JsonObject:
    """Train, test and write a run folder.

    Args:
        config: of the run.
        folder: the run's.
        resume: continue from the folder's last checkpoint.
        job: its number in a sweep, whose jobs take one device each unless the config names devices.

    Returns:
        What summary.json holds; empty if another node writes it.
    """
    devices = choose_devices(config.trainer, job)
    config = config.model_copy(
        update={"trainer": config.trainer.model_copy(update={"devices": devices})}
    )
    parts, before = 1, checkpoint_time(folder)
    while True:
        try:
            return train_once(config, folder, resume, parts)
        except DeviceMemoryError as error:
            is_alone = config.trainer.num_nodes == 1
            if error.parts is None or not is_alone or config.trainer.out_of_memory == "stop":
                raise
            parts = error.parts
        release_memory()  # the exception, whose traceback refers to it, is gone
        resume = resume or checkpoint_time(folder) != before
        log.warning(describe_split(config, parts, resume))


def train_once(config: TrainConfig, folder: Path, resume: bool, parts: int) -> JsonObject:
    """Train in as many processes as the config says; ``parts`` are those of ``fit``."""
    group = process_group(config.trainer, count_processes(config.trainer))
    require_one_process(config, group.size)
    if group.size == 1:
        return fit(config, folder, resume, group, parts)
    with kept_checkpoint_named(folder, ProcessKilledError):
        launch_processes(group, fit, config, folder, resume, group, parts)
    if group.node:
        return {}
    summary: JsonObject = json.loads((folder / "summary.json").read_text("utf-8"))
    return summary


def describe_split(config: TrainConfig, parts: int, resume: bool) -> str:
    """Return how a training goes on whose device had no memory for a batch."""
    size, accumulated = config.data.batch_size, config.trainer.accumulate_grad_batches
    where = "the last checkpoint" if resume else "the start"
    return (
        f"the device has no memory for the batches; going on from {where} with "
        f"{pluralize(size // parts, 'patch')} at a time and {accumulated * parts} batches per step "
        f"(data.batch_size={size}, trainer.accumulate_grad_batches={accumulated}; a step has "
        "the same patches; trainer.out_of_memory=stop ends the training instead)"
    )


def fit(
    config: TrainConfig, folder: Path, resume: bool, group: ProcessGroup, parts: int = 1
) -> JsonObject:
    """Run one process of a training; the first process writes.

    Args:
        config: of the run.
        folder: the run's.
        resume: continue from the folder's last checkpoint.
        group: the processes that train together.
        parts: into which each batch is split, at least; more than 1 in another attempt of a
            training, of which the start is reported and written already.

    Returns:
        What summary.json holds; empty in other processes.

    Raises:
        DeviceMemoryError: a device's memory is full.
        SystemExit: a signal has ended it, with a checkpoint once it has trained.
    """
    with library_errors_reported(config.data, group.size), stop_on_signals() as stop:
        try:
            training = prepare(config, folder, resume, group, stop, parts)
            with (
                memory_errors_counted(training.data, training.model),
                kept_checkpoint_named(folder, AccessError, DataError),
                dead_workers_reported(),
            ):
                return fit_until_stopped(training, resume, stop, is_first=parts == 1)
        except WriteError as error:
            if error.advice == WriteError.advice:
                error.advice = f"{describe_kept(folder)}, once it can be written"
            raise
        except (SystemExit, KeyboardInterrupt):  # Lightning turns ctrl-C into a status of 1
            raise SystemExit(stop.status) from None


def fit_until_stopped(
    training: Training, resume: bool, stop: StopRequest, is_first: bool = True
) -> JsonObject:
    """Train, score and write, in one process.

    Args:
        training: prepared.
        resume: continue from the last checkpoint.
        stop: set by signals.
        is_first: whether it is the first attempt, whose start is reported and written.

    Returns:
        What summary.json holds; empty in other processes than the first.
    """
    config, folder = training.config, training.folder
    first = training.trainer.is_global_zero
    if first and is_first:
        report_start(training, resume)
        write_start(training, resume)
    if config.features.use:
        use_features(training, resume)
    dashboards = start_loggers(config, folder) if first else []
    training.trainer.loggers = [dashboard.guarded for dashboard in dashboards]
    status = 1
    try:
        if config.trainer.find_lr and not resume:
            find_rates(training)
        checkpoint = resumable_checkpoint(folder) if resume else None
        training.trainer.fit(training.model, training.data, ckpt_path=checkpoint, weights_only=True)
        results, best_epoch = score(training)
        summary = finish(training, results, best_epoch, dashboards) if first else {}
        status = 0
    except NotFiniteError as error:
        kept = describe_kept(folder, "trainer.gradient_clip_val=1")
        raise NotFiniteError(f"{error}; {hint(training.trainer)}; {kept}") from error
    except (SystemExit, KeyboardInterrupt):
        if first:
            log.warning(describe_stop(stop, folder))
        raise
    finally:
        finish_loggers(dashboards, status)
    return summary


def score(training: Training) -> tuple[dict[str, SplitResult], int]:
    """Score valid and the final split with the best checkpoint; in all processes.

    Returns:
        The result of each split (empty in all processes but the first), and the checkpoint's epoch.
    """
    model, data = training.model, training.data
    path = best_checkpoint(training.folder)
    state = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict(state["state_dict"])
    # Another trainer: it scores the checkpoint's weights, not those of a moving average's callback
    trainer = build_trainer(
        training.config.trainer, training.folder, training.group, [TrainedData(data)], model.plan
    )
    trainer.validate(model, datamodule=data, verbose=False)
    splits = ["valid"]
    if data.final_split == "test":
        trainer.test(model, datamodule=data, verbose=False)
        splits.append("test")
    results = {}
    if trainer.is_global_zero:
        for split in splits:
            results[split] = measure(split, data.sources[split], model.scores[split])
    return results, int(state["epoch"])


def finish(
    training: Training,
    results: dict[str, SplitResult],
    best_epoch: int,
    dashboards: list[Dashboard],
) -> JsonObject:
    """Write and log the results; return what summary.json holds."""
    config, folder = training.config, training.folder
    summary = summarise(training, results, best_epoch).to_json(results)
    averaged = score_symmetries(training)
    summary["tta"] = None if averaged is None else averaged.to_json()
    final = results[training.data.final_split]
    classes = training.data.classes
    unfreeze_epoch = training.model.plan.unfreeze_epoch
    curves = write_results(folder, config, summary, results, unfreeze_epoch, classes)
    weights = training.model.describe_weights()
    evaluation = to_evaluation(config, folder, final, weights, classes)
    log_results(dashboards, curves, summary, evaluation)
    table = format_result(config, final, best_epoch, classes)
    if averaged is not None:
        table += f"\n\n{averaged.describe()}"
    log.info("\n%s\n\n%s", table, folder)
    return summary
