"""One training, from a config to a run folder, in one process or several."""

import json
import logging
from pathlib import Path

import torch
from lightning import Trainer

from pcam.config.schema import TrainConfig
from pcam.data.workers import dead_workers_reported
from pcam.errors import AccessError, DataError, NotFiniteError
from pcam.runs.checkpoints import resumable_checkpoint
from pcam.runs.folder import best_checkpoint
from pcam.training.dashboard import Dashboard
from pcam.training.epochs import MedianRule
from pcam.training.finite import hint
from pcam.training.kept import describe_kept, describe_stop, kept_checkpoint_named
from pcam.training.library_errors import library_errors_reported
from pcam.training.loggers import finish_loggers, log_results, start_loggers
from pcam.training.preparation import Training, device_name, prepare, report_start, write_start
from pcam.training.process_end import ProcessKilledError
from pcam.training.processes import ProcessGroup, launch_processes, process_group
from pcam.training.results import (
    JsonObject,
    SplitResult,
    Summary,
    describe_data,
    describe_intervals,
    environment,
    format_result,
    measure,
    to_evaluation,
    write_results,
)
from pcam.training.signals import StopRequest, stop_on_signals
from pcam.training.step_network import describe_step
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
    group = process_group(config.trainer, count_processes(config.trainer))
    if group.size == 1:
        return fit(config, folder, resume, group)
    with kept_checkpoint_named(folder, ProcessKilledError):
        launch_processes(group, fit, config, folder, resume, group)
    if group.node:
        return {}
    summary: JsonObject = json.loads((folder / "summary.json").read_text("utf-8"))
    return summary


@library_errors_reported()
def fit(config: TrainConfig, folder: Path, resume: bool, group: ProcessGroup) -> JsonObject:
    """Run one process of a training; the first process writes.

    Returns:
        What summary.json holds; empty in other processes.

    Raises:
        SystemExit: a signal has ended it, with a checkpoint once it has trained.
    """
    with stop_on_signals() as stop:
        try:
            training = prepare(config, folder, resume, group, stop)
            with kept_checkpoint_named(folder, AccessError, DataError), dead_workers_reported():
                return fit_until_stopped(training, resume, stop)
        except (SystemExit, KeyboardInterrupt):  # Lightning turns ctrl-C into a status of 1
            raise SystemExit(stop.status) from None


def fit_until_stopped(training: Training, resume: bool, stop: StopRequest) -> JsonObject:
    """Train, score and write, in one process.

    Args:
        training: prepared.
        resume: continue from the last checkpoint.
        stop: set by signals.

    Returns:
        What summary.json holds; empty in other processes than the first.
    """
    config, folder = training.config, training.folder
    first = training.trainer.is_global_zero
    if first:
        report_start(training, resume)
        write_start(training, resume)
    dashboards = start_loggers(config, folder) if first else []
    training.trainer.loggers = [dashboard.logger for dashboard in dashboards]
    status = 1
    try:
        checkpoint = resumable_checkpoint(folder) if resume else None
        training.trainer.fit(training.model, training.data, ckpt_path=checkpoint, weights_only=True)
        results, best_epoch = score(training)
        summary = finish(training, results, best_epoch, dashboards) if first else {}
        status = 0
    except NotFiniteError as error:
        advice = f"{hint(training.trainer)}; {describe_kept(folder, 'trainer.gradient_clip_val=1')}"
        raise NotFiniteError(f"{error}; {advice}") from error
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
    final = results[training.data.final_split]
    classes = training.data.classes
    write_results(folder, config, summary, results, training.model.plan.unfreeze_epoch, classes)
    weights = training.model.describe_weights()
    evaluation = to_evaluation(config, folder, final, weights, classes)
    log_results(dashboards, folder, summary, evaluation)
    log.info("\n%s\n\n%s", format_result(config, final, best_epoch, classes), folder)
    return summary


def summarise(training: Training, results: dict[str, SplitResult], best_epoch: int) -> Summary:
    """Return what summary.json holds beside the metrics."""
    config, data, model, trainer = (
        training.config,
        training.data,
        training.model,
        training.trainer,
    )
    assert model.weights_origin is not None
    versions, commit = environment()
    return Summary(
        intervals=describe_intervals(results[data.final_split].unit),
        epochs=trainer.current_epoch,
        max_epochs=config.trainer.max_epochs,
        best_epoch=best_epoch,
        pruned=_verdict(trainer),
        seed=config.seed,
        scale=config.scale,
        weights=model.weights_origin,
        parameters=model.network.count_parameters(),
        splits={"how": data.opened.how, "left_out": data.opened.left_out},
        classes=list(data.classes),
        patch_size=list(data.opened.size or ()),
        data=describe_data(data.sources, data.fingerprint()),
        device=device_name(trainer),
        processes=training.group.size,
        precision=str(trainer.precision),
        batchnorm="kept" if model.plan.keep_statistics else "moving",
        batched=data.batched is not None,
        step=describe_step(trainer),
        versions=versions,
        commit=commit,
    )


def _verdict(trainer: Trainer) -> dict[str, float] | None:
    """Return why the median rule ended the training.

    Args:
        trainer: at the end of the training.

    Returns:
        The verdict; None if the rule did not end it, or is not used.
    """
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    for callback in callbacks:
        if isinstance(callback, MedianRule):
            return callback.verdict
    return None
