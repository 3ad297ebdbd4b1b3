"""A training before its first step: data, network and trainer, and the lines that describe it."""

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning import Trainer, seed_everything

from pcam.config.classes import Classes, positive_by_name
from pcam.config.schema import TrainConfig
from pcam.data.datamodule import PatchDataModule
from pcam.errors import RunError
from pcam.evaluation.saved_run import earlier_classes
from pcam.models.classifier import PatchClassifier, read_origin
from pcam.models.patch_format import PatchFormat
from pcam.models.tensor_files import describe_unreadable
from pcam.models.weights import WeightsOrigin, describe_not_finite, load_initial_weights
from pcam.runs.access import ensure_readable
from pcam.runs.checkpoints import is_whole, resumable_checkpoint
from pcam.runs.folder import last_checkpoint, write_config
from pcam.runs.predictions import write_splits
from pcam.stats.formatting import format_facts, format_warning
from pcam.training.callbacks import build_callbacks
from pcam.training.classes import check_both_classes, describe_one_class
from pcam.training.description import describe_device, facts
from pcam.training.processes import ProcessGroup
from pcam.training.signals import StopRequest
from pcam.training.step_checkpoints import StepCheckpoints, trained_epochs
from pcam.training.trainer import build_trainer, choose_augmentation, silence_lightning

log = logging.getLogger(__name__)

NETWORK_EXCLUDED = {"weights", "at_scale"}  # keys of the config's model that are not the network's
SECTIONS = {"loss", "optimizer", "scheduler", "finetune"}


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


def prepare(
    config: TrainConfig, folder: Path, resume: bool, group: ProcessGroup, stop: StopRequest
) -> Training:
    """Open the data, build and initialise the network, and build the trainer.

    Args:
        config: of the run.
        folder: the run's.
        resume: continue from the folder's last checkpoint.
        group: the processes that train together.
        stop: set by signals.
    """
    silence_lightning()
    seed_everything(config.seed, verbose=False)
    origin: WeightsOrigin | None = None
    trained: PatchFormat | None = None
    if resume:
        origin, trained = check_checkpoint(folder, config.trainer.max_epochs)
        config = config if trained is not None else name_earlier_positive(config)
    aug = choose_augmentation(config.aug, config.trainer)
    data = PatchDataModule(config.data, config.splits, config.crop, aug, config.seed)
    check_both_classes(config, folder, data.sources)
    model = build_classifier(config)
    model.skips_not_finite = config.trainer.on_nan == "skip"
    model.patch_format = patch_format(data)
    if resume:
        check_classes(folder, trained, data.classes)
    else:
        origin = load_initial_weights(
            model.network.backbone,
            config.model.name,
            config.model.kwargs,
            config.model.weights,
            model.network.input_size,
        )
    model.set_weights_origin(origin)
    callbacks = build_callbacks(config, folder, model.plan)
    settings = config.trainer
    minutes, steps = settings.checkpoint_minutes, settings.checkpoint_steps
    callbacks.append(StepCheckpoints(folder, minutes, steps, stop))
    trainer = build_trainer(config.trainer, folder, group, callbacks, model.plan)
    return Training(config, folder, group, data, model, trainer)


def build_classifier(config: TrainConfig) -> PatchClassifier:
    """Return the classifier that a config describes, with random weights."""
    network = config.model.model_dump(mode="json", exclude=NETWORK_EXCLUDED)
    network["interpolation"] = config.crop.interpolation
    sections = config.model_dump(mode="json", include=SECTIONS)
    return PatchClassifier(
        network=network,
        loss=sections["loss"],
        optimizer=sections["optimizer"],
        scheduler=sections["scheduler"],
        finetune=sections["finetune"],
        epochs=config.trainer.max_epochs,
        seed=config.seed,
    )


def patch_format(data: PatchDataModule) -> PatchFormat:
    """Return the patches that a network is trained and tested on, for its checkpoints."""
    assert data.opened.size is not None
    height, width = data.opened.size
    crop = data.crops["test"]
    return PatchFormat(data.classes, height, width, crop.mode, crop.size, crop.seed)


def name_earlier_positive(config: TrainConfig) -> TrainConfig:
    """Return the config of a run of an earlier version, with the class that it took as positive.

    It took the second class in alphabetical order, also where the names say nothing or the other.
    """
    names = earlier_classes(config)
    if names is None or positive_by_name(names) == names[1]:
        return config
    data = config.data.model_copy(update={"positive": names[1]})
    return config.model_copy(update={"data": data})


def check_classes(folder: Path, trained: PatchFormat | None, classes: Classes) -> None:
    """Make sure that a resumed run goes on with the classes that it was trained on.

    Args:
        folder: the run's.
        trained: what its checkpoint says; None if an earlier version wrote it.
        classes: the names of the labels 0 and 1, as the data has them now.

    Raises:
        RunError: they differ.
    """
    if trained is not None and trained.classes != classes:
        raise RunError(
            f"{folder} was trained on {trained.classes[0]} and {trained.classes[1]} (positive);"
            f" the data has {classes[0]} and {classes[1]} (positive) now"
        )


def check_checkpoint(folder: Path, epochs: int) -> tuple[WeightsOrigin, PatchFormat | None]:
    """Make sure that a run can be resumed.

    Args:
        folder: the run's.
        epochs: of the whole training.

    Returns:
        What its network was initialised with, and the patches that it was trained on; None if an
        earlier version did not store them.

    Raises:
        AccessError: the last checkpoint cannot be read now.
        RunError: it is damaged, or has more than ``epochs`` epochs.
    """
    path = resumable_checkpoint(folder) or last_checkpoint(folder)
    ensure_readable(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        done = trained_epochs(state)
        origin = read_origin(state)
        if origin is None:
            raise KeyError("initial_weights")
    except Exception as error:  # torch.load raises a different error for each kind of damage
        raise RunError(
            f"{path} cannot be read safely as a checkpoint ({describe_unreadable(error)}); "
            "start the run again"
        ) from error
    fault = describe_not_finite(state["state_dict"])
    if fault is not None:
        raise RunError(f"{path} holds weights that are not finite: {fault}; start the run again")
    if done > epochs:
        raise RunError(
            f"{folder} has been trained for {done} epochs already; "
            f"trainer.max_epochs={epochs} must not be less"
        )
    return origin, PatchFormat.read(state)


def report_start(training: Training, resume: bool) -> None:
    """Log what is trained, on what, and how.

    Args:
        training: before its first step.
        resume: whether it continues from a checkpoint.
    """
    config, trainer = training.config, training.trainer
    if resume and not is_whole(last_checkpoint(training.folder)):
        log.warning(f"{last_checkpoint(training.folder)} is damaged; the one before it is used")
    lines = facts(config, training.folder, training.data, training.model, resume)
    device = describe_device(device_name(trainer), trainer.world_size, str(trainer.precision))
    log.info(format_facts([*lines, device]))
    for line in describe_one_class(training.data.sources):
        log.warning(line)
    origin = training.model.weights_origin
    if config.model.weights == "auto" and origin is not None and origin.origin == "random":
        log.warning(format_warning(f"RANDOM WEIGHTS (model.weights=auto): {origin.detail}"))


def write_start(training: Training, resume: bool) -> None:
    """Write what a run folder has from its start: splits made here, a resumed run's config.

    Args:
        training: before its first step.
        resume: whether it continues from a checkpoint.
    """
    if training.data.opened.how != "official":
        write_splits(training.folder, training.data.sources)
    if resume:
        write_config(training.folder, training.config)


def device_name(trainer: Trainer) -> str:
    """Return the name of the GPU, or cpu."""
    device = trainer.strategy.root_device
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
