"""Which layers are trained in which epoch.

The plan is a function of the epoch alone, so a resumed run needs no state of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter

from pcam.config.sections import (
    AnyFinetune,
    FinetuneConfig,
    FrozenFinetune,
    FrozenThenUnfrozenFinetune,
    FullFinetune,
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


def build_plan(config: FinetuneConfig, epochs: int) -> FreezePlan:
    """Return the plan of the config's ``finetune`` for a training of ``epochs``."""
    if isinstance(config, FrozenThenUnfrozenFinetune):
        epoch = config.unfreeze_epoch
        if epoch is None:
            epoch = epochs // 2
        return FreezePlan(epoch, config.batchnorm == "kept")
    if isinstance(config, FullFinetune):
        return FreezePlan(0, config.batchnorm == "kept")
    assert isinstance(config, FrozenFinetune)
    return FreezePlan(None, True)


def read_finetune(settings: Mapping[str, object]) -> FinetuneConfig:
    """Return the section that plain values describe.

    Raises:
        pydantic.ValidationError: a value is not valid.
    """
    section: FinetuneConfig = TypeAdapter(AnyFinetune).validate_python(dict(settings))
    return section
