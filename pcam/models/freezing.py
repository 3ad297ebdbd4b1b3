"""Which layers are trained in which epoch: a function of the epoch alone, so that a resumed run needs no memory of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pcam.config.tables import build, look_up
from pcam.errors import ConfigError, suggest

STATISTICS = ("moving", "kept")


@dataclass(frozen=True)
class FreezePlan:
    """When the backbone is trained.

    Attributes:
        unfreeze_epoch: first epoch, counted from 0, in which it is; None for never.
        keep_statistics: once it is, its BatchNorm keeps the statistics that it came with.
    """

    unfreeze_epoch: int | None
    keep_statistics: bool

    def frozen(self, epoch: int) -> bool:
        """Tell whether the backbone is frozen in an epoch."""
        return self.unfreeze_epoch is None or epoch < self.unfreeze_epoch

    @property
    def ever_frozen(self) -> bool:
        """Whether any epoch has a frozen backbone."""
        return self.unfreeze_epoch != 0


def build_plan(settings: Mapping[str, Any], epochs: int) -> FreezePlan:
    """Return the plan of the config's ``finetune`` for a training of ``epochs``."""
    rest = {key: value for key, value in settings.items() if key != "name"}
    return build(
        look_up(PLANS, settings.get("name"), "finetune.name"), rest, "finetune", epochs=epochs
    )


def full(batchnorm: str, epochs: int) -> FreezePlan:
    """Every layer from the first epoch."""
    return FreezePlan(0, _kept(batchnorm))


def frozen(epochs: int) -> FreezePlan:
    """The head alone."""
    return FreezePlan(None, True)


def frozen_then_unfrozen(unfreeze_epoch: int | None, batchnorm: str, epochs: int) -> FreezePlan:
    """The head alone, then every layer."""
    epoch = epochs // 2 if unfreeze_epoch is None else unfreeze_epoch
    if not 0 <= epoch < max(epochs, 1):
        raise ConfigError(
            f"finetune.unfreeze_epoch={epoch}: the epochs are 0 to {epochs - 1} (trainer.max_epochs={epochs})"
        )
    return FreezePlan(epoch, _kept(batchnorm))


PLANS: Mapping[str, Callable[..., FreezePlan]] = {
    "full": full,
    "frozen": frozen,
    "frozen_then_unfrozen": frozen_then_unfrozen,
}


def _kept(batchnorm: str) -> bool:
    if batchnorm not in STATISTICS:
        raise ConfigError(
            f"finetune.batchnorm={batchnorm} is not known{suggest(batchnorm, STATISTICS)}"
        )
    return batchnorm == "kept"
