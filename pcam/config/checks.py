"""Checks over several sections of a config.

Each takes the sections that are valid by themselves, by name, and yields one message per fault. So
a fault in one section does not hide the faults between others.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pcam.config.base import Section
from pcam.config.registry import (
    Registry,
    augmentations,
    backbones,
    callbacks,
    loggers,
    optimizers,
    sources,
)
from pcam.config.sections import AugConfig, LoggerConfig
from pcam.config.settings import (
    NoSettings,
    describe_unknown_callback,
    read_section,
    settings_of_callback,
    settings_of_logger,
)
from pcam.errors import ConfigError, PcamError, suggest

Sections = Mapping[str, Any]
Check = Callable[[Sections], Iterator[str]]


def crop_fits_patch(sections: Sections) -> Iterator[str]:
    """Check that a crop is at most as large as the patches, if a source knows their size."""
    if not _has(sections, "crop", "data"):
        return
    crop = sections["crop"]
    source = sources.get(sections["data"].name).target
    patch_size = getattr(source, "patch_size", None)
    if crop.size is None or patch_size is None:
        return
    if crop.size > patch_size:
        yield f"crop.size={crop.size} must be at most {patch_size}, the side of a patch"


def augmentation_can_be_batched(sections: Sections) -> Iterator[str]:
    """Check that an augmentation has a form for whole batches, if ``aug.batched`` asks for it."""
    if not _has(sections, "aug") or sections["aug"].batched is not True:
        return
    name = sections["aug"].name
    available = batched_augmentations()
    if name not in available:
        listed = ", ".join(available)
        yield f"aug.batched=true is not available for aug={name} (available for: {listed})"


def batched_augmentations() -> list[str]:
    """Return the names of the augmentations that have a form for whole batches."""
    entries = [augmentations.get(name) for name in augmentations.names()]
    return [entry.name for entry in entries if entry.details.get("batched")]


def classes_are_balanced_once(sections: Sections) -> Iterator[str]:
    """Check that not both the sampler and the loss make the classes count alike."""
    if not _has(sections, "data", "loss") or sections["data"].sampler != "balanced":
        return
    weight = getattr(sections["loss"], "positive_weight", None)
    if weight is not None:
        yield (
            f"loss.positive_weight={weight} must be null with data.sampler=balanced, which has as "
            "many patches of each class already"
        )


def unfreeze_epoch_is_trained(sections: Sections) -> Iterator[str]:
    """Check that the epoch in which the backbone is unfrozen is one of the training's."""
    if not _has(sections, "finetune", "trainer"):
        return
    epoch = getattr(sections["finetune"], "unfreeze_epoch", None)
    epochs = sections["trainer"].max_epochs
    if epoch is not None and epoch >= epochs:
        yield f"finetune.unfreeze_epoch={epoch} must be from 0 to {epochs - 1} (trainer.max_epochs)"


def layer_decay_has_an_effect(sections: Sections) -> Iterator[str]:
    """Check that the backbone, whose layers' learning rates decay, is trained."""
    if not _has(sections, "finetune") or sections["finetune"].name != "frozen":
        return
    decay = sections["finetune"].layer_decay
    if decay is not None:
        yield (
            f"finetune.layer_decay={decay:g} must be null with finetune=frozen, which does not "
            "train the backbone"
        )


def rates_have_a_ratio(sections: Sections) -> Iterator[str]:
    """Check that the ratio of the learning rates is defined, if ``trainer.find_lr`` keeps it."""
    if not _has(sections, "optimizer", "trainer") or not sections["trainer"].find_lr:
        return
    if sections["optimizer"].lr == 0:
        yield (
            "optimizer.lr=0 must be greater than 0 with trainer.find_lr=true, which keeps the "
            "ratio of optimizer.head_lr to it"
        )


def features_can_be_kept(sections: Sections) -> Iterator[str]:
    """Check that the features of a patch stay the same, if ``features.use`` keeps them."""
    if not _has(sections, "features") or not sections["features"].use:
        return
    copies = sections["features"].augment
    finetune, crop, aug = (sections.get(name) for name in ("finetune", "crop", "aug"))
    if finetune is not None and finetune.name != "frozen":
        yield f"features.use=true needs finetune=frozen, not {finetune.name}: its features change"
    if aug is not None and aug.name != "none" and not copies:
        yield f"features.use=true needs aug=none, or features.augment=K copies with aug={aug.name}"
    if crop is not None and crop.train == "random" and not copies:
        yield "features.use=true needs another crop.train than random, or features.augment=K copies"
    if aug is not None:
        yield from _augmentation_is_of_patches(aug)
    if _has(sections, "trainer") and sections["trainer"].precision == "64-true":
        yield "features.use=true needs another trainer.precision than 64-true"


def _augmentation_is_of_patches(aug: AugConfig) -> Iterator[str]:
    """Check that an augmentation changes single patches, before the backbone sees them."""
    if aug.mixup:
        yield f"aug.mixup={aug.mixup:g} must be 0 with features.use=true: it blends patches"
    if aug.batched is True:
        yield "aug.batched=true must be auto or false with features.use=true"


def logger_keys_are_known(sections: Sections) -> Iterator[str]:
    """Check that each key beside ``logger.names`` belongs to one of the loggers."""
    if not _has(sections, "logger"):
        return
    known = logger_keys(sections["logger"])
    for key in sections["logger"].settings():
        if key not in known:
            yield f"unknown key logger.{key}{suggest(key, known)}"


def logger_keys(section: LoggerConfig) -> set[str]:
    """Return the keys that the loggers of a section have."""
    known: set[str] = set()
    for name in section.names:
        entry = loggers.get(name) if name in loggers else None
        if entry is not None and entry.config is not None:
            known.update(entry.config.model_fields)
    return known


def callbacks_are_known(sections: Sections) -> Iterator[str]:
    """Check that each key of ``callbacks`` is a registered callback."""
    if not _has(sections, "callbacks"):
        return
    for name in sections["callbacks"]:
        if name not in callbacks:
            yield describe_unknown_callback(name)


def logger_settings_are_valid(sections: Sections) -> Iterator[str]:
    """Check the settings of each registered logger."""
    if not _has(sections, "logger"):
        return
    for name in sections["logger"].names:
        if name in loggers:
            section = loggers.get(name).config or NoSettings
            settings = settings_of_logger(section, sections["logger"])
            yield from settings_faults(section, "logger", settings)


def callback_settings_are_valid(sections: Sections) -> Iterator[str]:
    """Check the settings of each registered callback."""
    if not _has(sections, "callbacks"):
        return
    for name, values in sections["callbacks"].items():
        if name in callbacks:
            section = callbacks.get(name).config or NoSettings
            yield from settings_faults(section, f"callbacks.{name}", settings_of_callback(values))


def settings_faults(
    section: type[Section], key: str, settings: Mapping[str, object]
) -> Iterator[str]:
    """Yield one message per fault of a logger's or a callback's settings."""
    try:
        read_section(section, key, settings)
    except ConfigError as error:
        yield from error.faults


def model_name_is_known(sections: Sections) -> Iterator[str]:
    """Check that ``model.name`` is a registered backbone or one of timm's.

    Asking timm imports it. The names that a model's YAML lists are right, and are not asked about.
    """
    if not _has(sections, "model"):
        return
    model = sections["model"]
    if model.name not in model.at_scale.values():
        yield from name_is_known(backbones, model.name)


def probed_names_are_known(sections: Sections) -> Iterator[str]:
    """Check that the networks of ``pcam.probe`` are registered backbones or timm's."""
    yield from model_name_is_known(sections)
    for model in (sections.get("backbones") or {}).values():
        yield from name_is_known(backbones, model.name)


def optimizer_name_is_known(sections: Sections) -> Iterator[str]:
    """Check that ``optimizer.name`` is registered or one of timm's; asking timm imports it."""
    if _has(sections, "optimizer"):
        yield from name_is_known(optimizers, sections["optimizer"].name)


def stride_divides_centre(sections: Sections) -> Iterator[str]:
    """Check that the squares that patches answer for cover a slide's cells evenly."""
    if not _has(sections, "centre", "stride"):
        return
    centre, stride = sections["centre"], sections["stride"]
    if stride < centre and centre % stride:
        yield f"stride={stride} must divide centre={centre}, or be larger"


def unannotated_has_annotations(sections: Sections) -> Iterator[str]:
    """Check that there are annotations, if slides without one are said to be normal."""
    if sections.get("unannotated") != "normal" or "annotations" not in sections:
        return
    if sections["annotations"] is None:
        yield "unannotated=normal needs annotations=FOLDER, with the files of the other slides"


def name_is_known(registry: Registry, name: str) -> Iterator[str]:
    """Yield a message if nothing handles a name."""
    try:
        registry.check_name(name)
    except PcamError as error:
        yield str(error)


def _has(sections: Sections, *names: str) -> bool:
    return all(sections.get(name) is not None for name in names)


TRAINING_CHECKS: tuple[Check, ...] = (
    crop_fits_patch,
    augmentation_can_be_batched,
    classes_are_balanced_once,
    unfreeze_epoch_is_trained,
    layer_decay_has_an_effect,
    rates_have_a_ratio,
    features_can_be_kept,
    logger_keys_are_known,
    logger_settings_are_valid,
    callbacks_are_known,
    callback_settings_are_valid,
)
