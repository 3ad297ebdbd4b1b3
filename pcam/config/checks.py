"""Checks over several sections of a config.

Each takes the sections that are valid by themselves, by name, and yields one message per fault. So
a fault in one section does not hide the faults between others.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pcam.config.registry import (
    Registry,
    augmentations,
    backbones,
    callbacks,
    loggers,
    methods,
    optimizers,
    sources,
)
from pcam.errors import PcamError, suggest

Sections = Mapping[str, Any]
Check = Callable[[Sections], Iterator[str]]


def crop_fits_patch(sections: Sections) -> Iterator[str]:
    """A crop is at most as large as the source's patches, where their size is known beforehand."""
    crop, data = sections.get("crop"), sections.get("data")
    if crop is None or data is None or crop.size is None:
        return
    patch_size = getattr(sources.get(data.name).target, "patch_size", None)
    modes = {crop.train, crop.valid, crop.test}
    if patch_size is not None and crop.size > patch_size and modes != {"none"}:
        yield f"crop.size={crop.size} must be at most {patch_size}, the side of a patch"


def augmentation_can_be_batched(sections: Sections) -> Iterator[str]:
    """``aug.batched=true`` needs an augmentation that has a form for whole batches."""
    aug = sections.get("aug")
    if aug is None or not aug.batched:
        return
    with_batches = [
        name for name in augmentations.names() if augmentations.get(name).details.get("batched")
    ]
    if aug.name not in with_batches:
        choices = ", ".join(with_batches)
        yield f"aug.batched=true is not available for aug={aug.name} (available for: {choices})"


def unfreeze_epoch_is_trained(sections: Sections) -> Iterator[str]:
    """The epoch in which the backbone is unfrozen is one of the training's."""
    finetune, trainer = sections.get("finetune"), sections.get("trainer")
    epoch = getattr(finetune, "unfreeze_epoch", None)
    if epoch is None or trainer is None:
        return
    if epoch >= trainer.max_epochs:
        last = trainer.max_epochs - 1
        yield f"finetune.unfreeze_epoch={epoch} must be from 0 to {last} (trainer.max_epochs)"


def logger_keys_are_known(sections: Sections) -> Iterator[str]:
    """Loggers are registered, and each further key belongs to one of them."""
    logger = sections.get("logger")
    if logger is None:
        return
    known: set[str] = set()
    for name in logger.names:
        try:
            entry = loggers.get(name)
        except PcamError as error:
            yield str(error)
            continue
        if entry.config is not None:
            known |= set(entry.config.model_fields)
    for key in logger.settings():
        if key not in known:
            yield f"unknown key logger.{key}{suggest(key, known)}"


def callbacks_are_known(sections: Sections) -> Iterator[str]:
    """Each key of ``callbacks`` is a registered callback."""
    for name in sections.get("callbacks") or {}:
        if name not in callbacks:
            yield f"callbacks.{name} is not available{suggest(name, callbacks.names())}"


def training_methods_are_known(sections: Sections) -> Iterator[str]:
    """``attribution.methods`` names registered methods, each once."""
    attribution = sections.get("attribution")
    if attribution is not None:
        yield from names_are_known(methods, attribution.methods, "attribution.methods")


def methods_are_known(sections: Sections) -> Iterator[str]:
    """``methods`` names registered attribution methods, each once."""
    names = sections.get("methods")
    if names is not None:
        yield from names_are_known(methods, names, "methods")


def model_name_is_known(sections: Sections) -> Iterator[str]:
    """``model.name`` is a registered backbone or one of timm's.

    Asking timm imports it. The names that a model's YAML lists are right, and are not asked about.
    """
    model = sections.get("model")
    if model is not None and model.name not in model.at_scale.values():
        yield from name_is_known(backbones, model.name)


def optimizer_name_is_known(sections: Sections) -> Iterator[str]:
    """``optimizer.name`` is a registered optimizer or one of timm's; asking timm imports it."""
    optimizer = sections.get("optimizer")
    if optimizer is not None:
        yield from name_is_known(optimizers, optimizer.name)


def name_is_known(registry: Registry, name: str) -> Iterator[str]:
    """Yield a message if nothing handles a name."""
    try:
        registry.check_name(name)
    except PcamError as error:
        yield str(error)


def names_are_known(registry: Registry, names: list[str], key: str) -> Iterator[str]:
    """Yield a message for each name that is not registered, or is repeated."""
    for name in dict.fromkeys(names):
        if name not in registry:
            yield f"{key}: {name} is not available{suggest(name, registry.names())}"
        elif names.count(name) > 1:
            yield f"{key} names {name} more than once"


TRAINING_CHECKS: tuple[Check, ...] = (
    crop_fits_patch,
    augmentation_can_be_batched,
    unfreeze_epoch_is_trained,
    logger_keys_are_known,
    callbacks_are_known,
    training_methods_are_known,
)
