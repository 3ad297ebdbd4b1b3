"""A training before its first step: data, network and trainer, and the lines that describe it."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from lightning import Trainer, seed_everything
from numpy.typing import NDArray

from pcam.config.schema import TrainConfig
from pcam.data.datamodule import PatchDataModule
from pcam.models.classifier import PatchClassifier
from pcam.models.input_size import choose_input_size, initial_input_size
from pcam.models.losses import balancing_weight
from pcam.models.patch_format import PatchFormat
from pcam.models.weights import WeightsOrigin, load_initial_weights
from pcam.runs.checkpoints import is_whole
from pcam.runs.folder import last_checkpoint, write_config
from pcam.runs.predictions import write_splits
from pcam.stats.formatting import format_facts, format_warning
from pcam.training.callbacks import build_callbacks
from pcam.training.classes import check_both_classes, describe_one_class
from pcam.training.description import describe_device, facts
from pcam.training.processes import ProcessGroup
from pcam.training.resuming import (
    SavedTraining,
    check_checkpoint,
    check_classes,
    name_earlier_positive,
)
from pcam.training.room import require_room
from pcam.training.signals import StopRequest
from pcam.training.splitting import BatchSplit, SplitBatches, split_trainer
from pcam.training.step_checkpoints import StepCheckpoints
from pcam.training.trained_data import TrainedData, check_data
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
        split: of each batch; more than one part if the device's memory did not hold a batch.
        accepted: a warning that a resumed run goes on with other data; None if it does not.
    """

    config: TrainConfig
    folder: Path
    group: ProcessGroup
    data: PatchDataModule
    model: PatchClassifier
    trainer: Trainer
    split: BatchSplit
    accepted: str | None = None


def prepare(
    config: TrainConfig,
    folder: Path,
    resume: bool,
    group: ProcessGroup,
    stop: StopRequest,
    parts: int = 1,
) -> Training:
    """Open the data, build and initialise the network, and build the trainer.

    Args:
        config: of the run.
        folder: the run's.
        resume: continue from the folder's last checkpoint.
        group: the processes that train together.
        stop: set by signals.
        parts: into which each batch is split, at least; a resumed run keeps its own number.
    """
    silence_lightning()
    seed_everything(config.seed, verbose=False)
    accepted: str | None = None
    saved: SavedTraining | None = None
    split = BatchSplit().at_least(parts, epoch=0)
    if resume:
        saved = check_checkpoint(folder, config.trainer.max_epochs, config.data.batch_size)
        split = saved.split.at_least(parts, saved.epochs)
        config = config if saved.patches is not None else name_earlier_positive(config)
    aug = choose_augmentation(config.aug, config.trainer)
    if config.features.use:  # copies are augmented once, on the CPU
        aug = aug.model_copy(update={"batched": False})
    data = PatchDataModule(config.data, config.splits, config.crop, aug, config.seed, split.parts)
    check_both_classes(config, folder, data.sources)
    model = build_classifier(config, data.sources["train"].labels)
    if group.node == 0:
        require_room(folder, config, model)
    model.mixup = config.aug.mixup
    model.skips_not_finite = config.trainer.on_nan == "skip"
    model.patch_format = patch_format(data)
    if saved is not None:
        check_classes(folder, saved.patches, data.classes)
        accepted = check_data(folder, saved.fingerprint, data.fingerprint(), config.data.changed)
        model.set_weights_origin(saved.origin)
        if config.trainer.find_lr and saved.rates is not None:
            model.set_rates(*saved.rates)
    else:
        model.set_weights_origin(load_weights(config, model))
    model.adapt()
    resize_for_weights(config, model, data)
    callbacks = build_callbacks(config, folder, model.plan)
    callbacks.append(TrainedData(data))
    settings = config.trainer
    minutes, steps = settings.checkpoint_minutes, settings.checkpoint_steps
    callbacks += [SplitBatches(split), StepCheckpoints(folder, minutes, steps, stop)]
    settings = split_trainer(settings, split, data.whole_batches(group.size))
    trainer = build_trainer(settings, folder, group, callbacks, model.plan)
    return Training(config, folder, group, data, model, trainer, split, accepted)


def build_classifier(
    config: TrainConfig, labels: NDArray[np.uint8] | None = None
) -> PatchClassifier:
    """Return the classifier that a config describes, with random weights.

    Args:
        config: the run's.
        labels: of the training patches, (N,), for ``loss.positive_weight=auto``.
    """
    network = config.model.model_dump(mode="json", exclude=NETWORK_EXCLUDED)
    network["input_size"] = initial_input_size(config.model)
    network["interpolation"] = config.crop.interpolation
    sections = config.model_dump(mode="json", include=SECTIONS)
    if labels is not None and sections["loss"].get("positive_weight") == "auto":
        sections["loss"]["positive_weight"] = balancing_weight(labels)
    return PatchClassifier(
        network=network,
        loss=sections["loss"],
        optimizer=sections["optimizer"],
        scheduler=sections["scheduler"],
        finetune=sections["finetune"],
        epochs=config.trainer.max_epochs,
        seed=config.seed,
    )


def load_weights(config: TrainConfig, model: PatchClassifier) -> WeightsOrigin:
    """Load the initial weights that a config asks for; return what they are."""
    return load_initial_weights(
        model.network.backbone,
        config.model.name,
        config.model.kwargs,
        config.model.weights,
        model.network.input_size,
    )


def resize_for_weights(config: TrainConfig, model: PatchClassifier, data: PatchDataModule) -> None:
    """Set the network's input size by its initial weights and patches, if the config leaves it."""
    origin, crop = model.weights_origin, data.crops["train"]
    assert data.opened.size is not None
    side = crop.size if crop.cuts and crop.size else max(data.opened.size)
    pretrained = origin is not None and origin.pretrained
    model.set_input_size(choose_input_size(config.model, pretrained, side))


def patch_format(data: PatchDataModule) -> PatchFormat:
    """Return the patches that a network is trained and tested on, for its checkpoints."""
    assert data.opened.size is not None
    height, width = data.opened.size
    crop = data.crops["test"]
    return PatchFormat(data.classes, height, width, crop.mode, crop.size, crop.seed)


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
    if training.accepted is not None:
        log.warning(training.accepted)
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
        write_config(training.folder, refuse_next_change(training.config))


def refuse_next_change(config: TrainConfig) -> TrainConfig:
    """Return the config that is kept: that other data was accepted is of one command."""
    data = config.data.model_copy(update={"changed": "refuse"})
    return config.model_copy(update={"data": data})


def device_name(trainer: Trainer) -> str:
    """Return the name of the GPU, or cpu."""
    device = trainer.strategy.root_device
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
