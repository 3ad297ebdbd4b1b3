"""Which layers are trained in which epoch.

The plan is a function of the epoch alone, so a resumed run needs no state of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter

from pcam.config.sections import (
    AnyFinetune,
    BatchNormMode,
    FinetuneConfig,
    FrozenFinetune,
    FrozenThenUnfrozenFinetune,
    FullFinetune,
    LastBlocksFinetune,
    LoraFinetune,
)


@dataclass(frozen=True)
class FreezePlan:
    """When the backbone is trained.

    Attributes:
        unfreeze_epoch: first epoch, counted from 0, in which it is trained; None for never.
        keep_statistics: once it is trained, its BatchNorm keeps its initial statistics.
    """

    unfreeze_epoch: int | None
    keep_statistics: bool

    def frozen(self, epoch: int) -> bool:
        """Return whether the backbone is frozen in an epoch."""
        return self.unfreeze_epoch is None or epoch < self.unfreeze_epoch

    @property
    def ever_frozen(self) -> bool:
        """Whether the backbone is frozen in any epoch."""
        return self.unfreeze_epoch != 0

    @property
    def always_frozen(self) -> bool:
        """Whether the backbone is frozen in every epoch."""
        return self.unfreeze_epoch is None


def build_plan(config: FinetuneConfig, epochs: int, pretrained: bool = False) -> FreezePlan:
    """Return the plan of the config's ``finetune``.

    Args:
        config: the section.
        epochs: of the whole training.
        pretrained: Whether the backbone's initial weights were trained before. With
            ``batchnorm: auto`` their BatchNorm statistics are then kept: those of a few epochs on
            small batches are worse. Random weights have no statistics to keep.
    """
    if isinstance(config, FrozenThenUnfrozenFinetune):
        epoch = config.unfreeze_epoch
        if epoch is None:
            epoch = epochs // 2
        return FreezePlan(epoch, _keeps_statistics(config.batchnorm, pretrained))
    if isinstance(config, LoraFinetune):
        return FreezePlan(0, True)
    if isinstance(config, FullFinetune | LastBlocksFinetune):
        return FreezePlan(0, _keeps_statistics(config.batchnorm, pretrained))
    assert isinstance(config, FrozenFinetune)
    return FreezePlan(None, True)


def _keeps_statistics(mode: BatchNormMode, pretrained: bool) -> bool:
    return pretrained if mode == "auto" else mode == "kept"


def read_finetune(settings: Mapping[str, object]) -> FinetuneConfig:
    """Return the section that plain values describe.

    Raises:
        pydantic.ValidationError: a value is not valid.
    """
    section: FinetuneConfig = TypeAdapter(AnyFinetune).validate_python(dict(settings))
    return section
