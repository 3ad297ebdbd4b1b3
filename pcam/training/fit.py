"""One training, from a config to a run folder, in one process or several."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning import Trainer, seed_everything

from pcam.config.schema import TrainConfig
from pcam.data.datamodule import PatchDataModule
from pcam.errors import RunError, describe_error, format_override
from pcam.models.classifier import PatchClassifier, read_origin
from pcam.models.weights import WeightsOrigin, load_initial_weights
from pcam.runs.folder import best_checkpoint, last_checkpoint, write_config
from pcam.runs.predictions import write_splits
from pcam.stats.formatting import format_facts, format_warning
from pcam.training.callbacks import build_callbacks
from pcam.training.context import RunContext
from pcam.training.description import describe_device, facts
from pcam.training.epochs import MedianRule
from pcam.training.loggers import Dashboard, finish_loggers, log_results, start_loggers
from pcam.training.processes import INTERRUPTED, ProcessGroup, launch_processes, process_group
from pcam.training.results import (
    SplitResult,
    Summary,
    describe_data,
    describe_intervals,
    environment,
    format_result,
    measure,
    write_results,
)
from pcam.training.trainer import build_trainer, choose_devices, count_processes, silence_lightning

log = logging.getLogger(__name__)

NETWORK_EXCLUDED = {"weights", "at_scale"}  # keys of the config's model that are not the network's
SECTIONS = ("loss", "optimizer", "scheduler", "finetune")


@dataclass(frozen=True)
class Training:
    """What a process of a training needs.

    Attributes:
        config: the run's.
        folder: the run's.
        group: the processes that train together.
        data: the patches.
        model: the network, initialised.
        trainer: Lightning's, with all callbacks.
    """

    config: TrainConfig
    folder: Path
    group: ProcessGroup
    data: PatchDataModule
    model: PatchClassifier
    trainer: Trainer


def train(
    config: TrainConfig, folder: Path, resume: bool, job: int | None = None
) -> dict[str, object]:
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
    launch_processes(group, fit, config, folder, resume, group)
    if group.node:
        return {}
    summary: dict[str, object] = json.loads((folder / "summary.json").read_text())
    return summary


def fit(config: TrainConfig, folder: Path, resume: bool, group: ProcessGroup) -> dict[str, object]:
    """Run one process of a training; the first process writes.

    Returns:
        What summary.json holds; empty in other processes.
    """
    training = prepare(config, folder, resume, group)
    first = training.trainer.is_global_zero
    if first:
        report_start(training, resume)
        write_start(training, resume)
    dashboards = start_loggers(RunContext(folder, config)) if first else []
    training.trainer.loggers = [dashboard.logger for dashboard in dashboards]
    status = 1
    try:
        checkpoint = last_checkpoint(folder) if resume else None
        training.trainer.fit(
            training.model, training.data, ckpt_path=checkpoint, weights_only=True
        )
        results, best_epoch = score(training)
        summary = finish(training, results, best_epoch, dashboards) if first else {}
        status = 0
    except SystemExit:  # how Lightning answers ctrl-C, with a status of 1
        if first and last_checkpoint(folder).is_file():
            command = f"python -m pcam.train {format_override('resume', folder)}"
            log.warning("\nInterrupted. Resume with: %s", command)
        raise SystemExit(INTERRUPTED) from None
    finally:
        finish_loggers(dashboards, status)
    return summary


def prepare(config: TrainConfig, folder: Path, resume: bool, group: ProcessGroup) -> Training:
    """Open the data, build and initialise the network, and build the trainer."""
    silence_lightning()
    seed_everything(config.seed, verbose=False)
    data = PatchDataModule(config.data, config.splits, config.crop, config.aug, config.seed)
    model = build_classifier(config)
    if resume:
        model.weights_origin = check_checkpoint(folder, config.trainer.max_epochs)
    else:
        model.weights_origin = load_initial_weights(
            model.network.backbone,
            config.model.name,
            config.model.kwargs,
            config.model.weights,
            model.network.input_size,
        )
    callbacks = build_callbacks(RunContext(folder, config), model.plan)
    trainer = build_trainer(config.trainer, folder, group, callbacks, model.plan)
    return Training(config, folder, group, data, model, trainer)


def build_classifier(config: TrainConfig) -> PatchClassifier:
    """Return the classifier that a config describes, with random weights."""
    network = config.model.model_dump(mode="json", exclude=NETWORK_EXCLUDED)
    network["interpolation"] = config.crop.interpolation
    sections = config.model_dump(mode="json", include=set(SECTIONS))
    return PatchClassifier(
        network=network,
        loss=sections["loss"],
        optimizer=sections["optimizer"],
        scheduler=sections["scheduler"],
        finetune=sections["finetune"],
        epochs=config.trainer.max_epochs,
        seed=config.seed,
    )


def check_checkpoint(folder: Path, epochs: int) -> WeightsOrigin:
    """Make sure that a run can be resumed; return what its network was initialised with.

    Raises:
        RunError: the last checkpoint is damaged, or has more than ``epochs`` epochs.
    """
    path = last_checkpoint(folder)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        done = int(state["epoch"]) + 1
        origin = read_origin(state)
        if origin is None:
            raise KeyError("initial_weights")
    except Exception as error:  # torch.load raises a different error for each kind of damage
        raise RunError(
            f"{path} cannot be read safely as a checkpoint ({describe_error(error)}); "
            "start the run again"
        ) from error
    if done > epochs:
        raise RunError(
            f"{folder} has been trained for {done} epochs already; "
            f"trainer.max_epochs={epochs} must not be less"
        )
    return origin


def report_start(training: Training, resume: bool) -> None:
    """Log what is trained, on what, and how."""
    config, trainer = training.config, training.trainer
    lines = facts(config, training.folder, training.data, training.model, resume)
    device = describe_device(device_name(trainer), trainer.world_size, str(trainer.precision))
    log.info(format_facts([*lines, device]))
    origin = training.model.weights_origin
    if config.model.weights == "auto" and origin is not None and origin.origin == "random":
        log.warning(format_warning(f"RANDOM WEIGHTS (model.weights=auto): {origin.detail}"))


def write_start(training: Training, resume: bool) -> None:
    """Write what a run folder holds from its start: splits made here, and a resumed run's config."""
    if training.data.opened.how != "official":
        write_splits(training.folder, training.data.sources)
    if resume:
        write_config(training.folder, training.config)


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
        training.config.trainer, training.folder, training.group, [], model.plan
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
) -> dict[str, object]:
    """Write and log the results; return what summary.json holds."""
    config, folder = training.config, training.folder
    summary = summarise(training, results, best_epoch).to_json(results)
    final = results[training.data.final_split]
    write_results(folder, config, summary, results, training.model.plan.unfreeze_epoch)
    log_results(dashboards, RunContext(folder, config), summary, final)
    log.info("\n%s\n\n%s", format_result(config, final), folder)
    return summary


def summarise(
    training: Training, results: dict[str, SplitResult], best_epoch: int
) -> Summary:
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
        best_epoch=best_epoch,
        pruned=_verdict(trainer),
        seed=config.seed,
        scale=config.scale,
        weights=model.weights_origin,
        parameters=model.network.count_parameters(),
        splits={"how": data.opened.how, "left_out": data.opened.left_out},
        data=describe_data(data.sources, data.fingerprint()),
        device=device_name(trainer),
        processes=training.group.size,
        precision=str(trainer.precision),
        versions=versions,
        commit=commit,
    )


def _verdict(trainer: Trainer) -> dict[str, float] | None:
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, MedianRule):
            return callback.verdict
    return None


def device_name(trainer: Trainer) -> str:
    """Return the name of the GPU, or cpu."""
    device = trainer.strategy.root_device
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
