"""The callbacks of a training, in their order.

A registered callback is a function ``(section, context) -> lightning.Callback``. It is used if the
config's ``callbacks`` has its name, with the settings there::

    class NoiseConfig(Section):
        scale: float = 0.1

    @register_callback("noise", config=NoiseConfig)
    def noise(config: NoiseConfig, context: RunContext) -> Callback: ...
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pcam.config import registry
from pcam.config.base import Section
from pcam.config.sections import TrainerConfig
from pcam.errors import ConfigError
from pcam.sweeps.state import find_sweep
from pcam.training.context import RunContext

if TYPE_CHECKING:
    from lightning import Callback

    from pcam.models.freezing import FreezePlan

ATTRIBUTION = "attribution"  # the registered callback that the section of the same name configures


class NoSettings(Section):
    """The section of a callback without settings."""


def build_callbacks(context: RunContext, plan: "FreezePlan") -> "list[Callback]":
    """Return the callbacks of a training.

    Args:
        context: the run.
        plan: which epochs train the backbone.

    Raises:
        ConfigError: ``trainer.prune`` is set and the run is not a job of a sweep.
    """
    from pcam.training.checkpoints import build_checkpoints
    from pcam.training.epochs import EpochTable, FiniteLoss, FreezeBackbone, LearningRates

    settings = context.config.trainer
    terminal = settings.progress and sys.stderr.isatty()
    return [
        # before the moving average, which swaps its weights in for validation
        *_attribution_callbacks(context),
        FreezeBackbone(plan),
        LearningRates(plan),
        EpochTable(context.folder / "metrics.csv", lines=not terminal),
        FiniteLoss(),
        *_optional_callbacks(settings, terminal),
        *build_checkpoints(context.folder),
        *_pruning_callbacks(settings, context.folder),
        *_user_callbacks(context),
    ]


def _attribution_callbacks(context: RunContext) -> "list[Callback]":
    section = context.config.attribution
    if section.every is None:
        return []
    return [registry.callbacks.get(ATTRIBUTION).target(section, context)]


def _optional_callbacks(settings: TrainerConfig, terminal: bool) -> "list[Callback]":
    from lightning.pytorch.callbacks import EarlyStopping, TQDMProgressBar, WeightAveraging
    from torch.optim.swa_utils import get_ema_multi_avg_fn

    from pcam.runs.folder import MONITOR

    callbacks: list[Callback] = []
    if terminal:
        callbacks.append(TQDMProgressBar())
    if settings.ema is not None:
        # lerp, not a weighted sum: a tensor that does not change (frozen) stays equal to the bit
        average = get_ema_multi_avg_fn(settings.ema)  # type: ignore[no-untyped-call]
        callbacks.append(WeightAveraging(multi_avg_fn=average))
    if settings.early_stopping is not None:
        patience = settings.early_stopping
        callbacks.append(
            EarlyStopping(MONITOR, mode="max", patience=patience, check_on_train_epoch_end=True)
        )
    return callbacks


def _pruning_callbacks(settings: TrainerConfig, folder: Path) -> "list[Callback]":
    from pcam.training.epochs import MedianRule

    after = settings.prune.after
    if after is None:
        return []
    sweep = find_sweep(folder)
    if sweep is None:
        raise ConfigError(
            f"trainer.prune.after={after} needs a sweep, and this run is not a job of one; "
            "set trainer.prune.after=null"
        )
    return [MedianRule(folder, sweep, after, settings.prune.jobs)]


def _user_callbacks(context: RunContext) -> "list[Callback]":
    callbacks: list[Callback] = []
    for name, settings in context.config.callbacks.items():
        entry = registry.callbacks.get(name)
        section = (entry.config or NoSettings).model_validate(settings or {})
        callbacks.append(entry.target(section, context))
    return callbacks
