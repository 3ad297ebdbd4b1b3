"""The callbacks of a training, in their order.

A registered callback is a function ``(settings, config, folder) -> Callback``: its own section, the
run's config and the run folder to Lightning's callback. It is used if the config's ``callbacks``
has its name::

    class NoiseConfig(Section):
        scale: float = 0.1

    @register_callback("noise", config=NoiseConfig)
    def noise(settings: NoiseConfig, config: TrainConfig, folder: Path) -> Callback: ...
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pcam.config import registry
from pcam.config.schema import TrainConfig
from pcam.config.sections import TrainerConfig
from pcam.config.settings import NoSettings, read_section, settings_of_callback
from pcam.errors import ConfigError
from pcam.sweeps.state import find_sweep

if TYPE_CHECKING:
    from lightning import Callback

    from pcam.models.freezing import FreezePlan

ATTRIBUTION = "attribution"  # the registered callback that the section of the same name configures


def build_callbacks(config: TrainConfig, folder: Path, plan: "FreezePlan") -> "list[Callback]":
    """Return the callbacks of a training.

    Args:
        config: the run's.
        folder: the run's.
        plan: which epochs train the backbone.

    Raises:
        ConfigError: ``trainer.prune`` is set and the run is not a job of a sweep.
    """
    from pcam.training.checkpoints import build_checkpoints
    from pcam.training.epochs import EpochTable, FreezeBackbone, LearningRates
    from pcam.training.finite import FiniteSteps
    from pcam.training.skipping import SkipNotFinite
    from pcam.training.step_loss import StepLoss
    from pcam.training.step_network import StepNetworkChoice

    settings = config.trainer
    terminal = settings.progress and sys.stderr.isatty()
    return [
        # before the moving average, which swaps its weights in for validation
        *_attribution_callbacks(config, folder),
        FreezeBackbone(plan),
        LearningRates(plan),
        EpochTable(folder / "metrics.csv", lines=not terminal),
        SkipNotFinite() if settings.on_nan == "skip" else FiniteSteps(),
        StepLoss(),
        StepNetworkChoice(settings.compile),
        *_optional_callbacks(settings, terminal),
        *build_checkpoints(folder),
        *_pruning_callbacks(settings, folder),
        *_user_callbacks(config, folder),
    ]


def _attribution_callbacks(config: TrainConfig, folder: Path) -> "list[Callback]":
    """Return the callback that draws attribution maps, unless the config asks for none.

    Args:
        config: the run's.
        folder: the run's.
    """
    if config.attribution.every is None:
        return []
    builder = registry.callbacks.get(ATTRIBUTION).target
    return [builder(config.attribution, config, folder)]


def _optional_callbacks(settings: TrainerConfig, terminal: bool) -> "list[Callback]":
    """Return the callbacks that the config's ``trainer`` asks for.

    Args:
        settings: the config's ``trainer``.
        terminal: whether a progress bar can be shown.
    """
    from lightning.pytorch.callbacks import WeightAveraging
    from torch.optim.swa_utils import get_ema_multi_avg_fn

    from pcam.training.checkpoints import EarlyStopping
    from pcam.training.step_loss import ProgressBar

    callbacks: list[Callback] = []
    if terminal:
        callbacks.append(ProgressBar())
    if settings.ema is not None:
        # lerp, not a weighted sum: a tensor that does not change (frozen) stays equal to the bit
        average = get_ema_multi_avg_fn(settings.ema)  # type: ignore[no-untyped-call]
        callbacks.append(WeightAveraging(multi_avg_fn=average))
    if settings.early_stopping is not None:
        callbacks.append(EarlyStopping(settings.early_stopping))
    return callbacks


def _pruning_callbacks(settings: TrainerConfig, folder: Path) -> "list[Callback]":
    """Return the callback of the median rule, unless the config asks for none.

    Args:
        settings: the config's ``trainer``.
        folder: the run's.

    Raises:
        ConfigError: the run is not a job of a sweep.
    """
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


def _user_callbacks(config: TrainConfig, folder: Path) -> "list[Callback]":
    """Return the registered callbacks that the config's ``callbacks`` names.

    Args:
        config: the run's.
        folder: the run's.

    Raises:
        ConfigError: a setting is not valid.
    """
    callbacks: list[Callback] = []
    for name, values in config.callbacks.items():
        entry = registry.callbacks.get(name)
        section = entry.config or NoSettings
        settings = read_section(section, f"callbacks.{name}", settings_of_callback(values))
        callback = entry.target(settings, config, folder)
        callbacks.append(callback)
    return callbacks
