"""What is trained, on what, and how: the lines before a training."""

from pathlib import Path

from pcam.config.schema import TrainConfig
from pcam.config.sections import FinetuneConfig, LastBlocksFinetune, LoraFinetune
from pcam.data.base import describe_source
from pcam.data.datamodule import PatchDataModule
from pcam.data.loading import describe_splits
from pcam.models.classifier import PatchClassifier
from pcam.models.freezing import FreezePlan
from pcam.models.input_size import initial_input_size
from pcam.models.partial import trained_parameters
from pcam.runs.folder import network_label
from pcam.stats.formatting import format_parameters, pluralize

Fact = tuple[str, str]


def facts(
    config: TrainConfig, folder: Path, data: PatchDataModule, model: PatchClassifier, resume: bool
) -> list[Fact]:
    """Return what is trained, on what, and how: a label and its text per line."""
    action = "resuming" if resume else "training into"
    lines = [("pcam", f"{action} {folder}")]
    for split, source in data.sources.items():
        lines.append((split, f"{config.data.name}: {describe_source(source, data.classes)}"))
    return [
        *lines,
        ("splits", describe_splits(data.opened)),
        ("crop", _describe_crop(config, list(data.sources))),
        ("augmentation", _describe_augmentation(config)),
        ("network", _describe_network(config, model)),
        ("weights", model.describe_weights()),
        ("trained", _describe_training(config, model)),
        *_describe_features(config),
        ("loss", _describe_loss(model)),
        ("optimizer", _describe_optimizer(config, model, resume)),
        ("epochs", f"{config.trainer.max_epochs}, {_describe_batches(config, data)}"),
        ("seed", str(config.seed)),
    ]


def _describe_augmentation(config: TrainConfig) -> str:
    """Return the augmentation, and how patches are blended."""
    name = config.aug.name
    return f"{name}, mixup {config.aug.mixup:g}" if config.aug.mixup else name


def _describe_features(config: TrainConfig) -> list[Fact]:
    """Return the line of the features, if they are computed once."""
    features = config.features
    if not features.use:
        return []
    text = f"computed once, {features.dtype}, in {features.cache}"
    if features.augment:
        text += f"; {pluralize(features.augment, 'augmented copy', 'augmented copies')} of train"
    return [("features", text)]


def _describe_batches(config: TrainConfig, data: PatchDataModule) -> str:
    """Return the patches of an epoch if they are not all once, and the size of the batches."""
    text = f"batches of {config.data.batch_size}"
    size = len(data.sources["train"])
    if data.per_epoch != size:
        times = f"{round(data.per_epoch / size, 3):,g} times the training split"
        text = f"each of {pluralize(data.per_epoch, 'patch')} ({times}), {text}"
    if config.data.sampler == "balanced":
        text += ", as many patches of each class"
    if data.parts == 1:
        return text
    return f"{text}, as {data.parts} parts of {data.batch_size} (trainer.out_of_memory)"


def describe_device(name: str, processes: int, precision: str) -> Fact:
    """Return the line of the device."""
    count = "1 process" if processes == 1 else f"{processes} processes"
    return ("device", f"{name}, {count}, precision {precision}")


def _describe_crop(config: TrainConfig, splits: list[str]) -> str:
    """Return the crop.

    Args:
        config: the run's.
        splits: the names of those that are used.

    Returns:
        "whole patch", or the size and the crop of each split.
    """
    modes = {split: getattr(config.crop, split) for split in splits}
    if set(modes.values()) == {"none"}:
        return "whole patch"
    listed = [f"{split} {mode}" for split, mode in modes.items()]
    return f"{config.crop.size} px: {', '.join(listed)}"


def _describe_network(config: TrainConfig, model: PatchClassifier) -> str:
    """Return the network, the size of its input and its number of parameters.

    Args:
        config: the run's.
        model: the network, initialised or not.
    """
    counts = format_parameters(model.network.count_parameters())
    return f"{network_label(config)}, input {_describe_input(config, model)}, {counts}"


def _describe_input(config: TrainConfig, model: PatchClassifier) -> str:
    """Return the size that patches are resized to, and what an enlarged one costs."""
    size = model.network.input_size
    if size is None:
        return "not resized"
    shown = f"{size} px ({config.crop.interpolation})"
    smaller = initial_input_size(config.model)
    if smaller is None or size <= smaller:
        return shown
    times = (size / smaller) ** 2
    return f"{shown}, for trained weights (model.input_size={smaller} is {times:.1f} times as fast)"


def _describe_training(config: TrainConfig, model: PatchClassifier) -> str:
    """Return which layers are trained, and how many parameters.

    Args:
        config: the run's.
        model: the network, initialised or not.
    """
    counts = model.network.count_parameters()
    layers = _describe_part(config.finetune) or _describe_layers(model.plan)
    if model.plan.always_frozen:
        return f"{layers}; {counts['head']:,} parameters trained, {counts['backbone']:,} frozen"
    total = sum(counts.values())
    count = sum(parameter.numel() for parameter in trained_parameters(model.network))
    trained = f"{layers}; {count:,} parameters trained"
    if count < total:
        trained += f", {total - count:,} frozen"
    decay = config.finetune.layer_decay
    if decay is not None:
        trained += f"; learning rates times {decay:g} from a group of layers to the one before"
    return f"{trained}; BatchNorm statistics {describe_statistics(config.finetune, model)}"


def _describe_part(finetune: FinetuneConfig) -> str:
    """Return the part of the backbone that is trained, with the head; "" for all of it."""
    if isinstance(finetune, LastBlocksFinetune):
        return f"last {pluralize(finetune.blocks, 'block')} and head"
    if isinstance(finetune, LoraFinetune):
        return f"adapters of rank {finetune.rank} and head"
    return ""


def describe_statistics(finetune: FinetuneConfig, model: PatchClassifier) -> str:
    """Return "kept" or "moving" for the backbone's BatchNorm, and why if the config leaves it open.

    Args:
        finetune: the config's ``finetune``.
        model: the network, initialised.
    """
    mode = "kept" if model.plan.keep_statistics else "moving"
    if getattr(finetune, "batchnorm", None) != "auto":
        return mode
    reason = "initial weights were trained" if model.plan.keep_statistics else "random weights"
    return f"{mode} (auto: {reason})"


def _describe_layers(plan: FreezePlan) -> str:
    """Return which layers are trained.

    Args:
        plan: which epochs train the backbone.

    Returns:
        "all layers", "head only", or the epoch of the change, counted from 1.
    """
    if not plan.ever_frozen:
        return "all layers"
    if plan.unfreeze_epoch is None:
        return "head only"
    epoch = plan.unfreeze_epoch
    return f"head only up to epoch {epoch}, all layers from epoch {epoch + 1}"


def _describe_loss(model: PatchClassifier) -> str:
    loss = model.loss_config
    return _with_settings(loss.name, loss.model_dump(exclude={"name"}, exclude_none=True))


def _describe_optimizer(config: TrainConfig, model: PatchClassifier, resume: bool) -> str:
    """Return the optimizer, its highest rates as far as they are known, and the schedule."""
    shown = {"lr", "head_lr", "weight_decay"}
    note = ""
    if config.trainer.find_lr:
        note = ", rates found at its start" if resume else ", rates to be found (trainer.find_lr)"
    if config.trainer.find_lr and not resume:
        shown = {"weight_decay"}
    settings = model.optimizer_config.model_dump(include=shown)
    name = _with_settings(config.optimizer.name, settings)
    return f"{name}{note}, scheduler {config.scheduler.name}"


def _with_settings(name: str, settings: dict[str, object]) -> str:
    """Return a choice with its settings.

    Args:
        name: of the choice.
        settings: value by key.

    Returns:
        "adam lr=0.001 weight_decay=0".
    """
    parts = [name]
    for key, value in settings.items():
        shown = f"{value:g}" if isinstance(value, float) else str(value)
        parts.append(f"{key}={shown}")
    return " ".join(parts)
