"""Learning rates over the course of training.

A registered schedule is a function ``(done, config) -> float``: the share of the optimizer's steps
that are done, 0 to 1, and its section of the config to a factor of the highest learning rates.
"""

import math
from typing import TYPE_CHECKING

from pcam.config import registry
from pcam.config.base import NonNegativeFloat, NonNegativeInt, OpenShare
from pcam.config.registry import register_scheduler
from pcam.config.sections import SchedulerConfig

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau


class OneCycleConfig(SchedulerConfig):
    """Up to the highest rates and down again.

    Attributes:
        start: first rate, as a share of the highest.
        end: last rate, likewise.
    """

    start: NonNegativeFloat
    end: NonNegativeFloat


class PlateauConfig(SchedulerConfig):
    """Rates that are reduced when valid AUROC has not improved.

    Attributes:
        factor: that rates are multiplied by.
        patience: epochs without an improvement before rates are reduced.
    """

    factor: OpenShare
    patience: NonNegativeInt


@register_scheduler("constant", config=SchedulerConfig)
def constant(done: float, config: SchedulerConfig) -> float:
    """Return the factor of constant rates after the warm-up."""
    if not config.warmup:
        return 1.0
    return min(1.0, done / config.warmup)


@register_scheduler("cosine", config=SchedulerConfig)
def cosine(done: float, config: SchedulerConfig) -> float:
    """Return the factor of half a cosine down to 0 after the warm-up.

    Loshchilov & Hutter 2017, without restarts.
    """
    if done < config.warmup:
        return done / config.warmup
    return _half_cosine(1.0, 0.0, (done - config.warmup) / (1 - config.warmup))


@register_scheduler("onecycle", config=OneCycleConfig)
def onecycle(done: float, config: OneCycleConfig) -> float:
    """Return the factor of half a cosine up, then another down.

    Smith & Topin 2018; shape and defaults of torch's OneCycleLR.
    """
    if done < config.warmup:
        return _half_cosine(config.start, 1.0, done / config.warmup)
    return _half_cosine(1.0, config.end, (done - config.warmup) / (1 - config.warmup))


@register_scheduler("plateau", config=PlateauConfig)
def plateau(done: float, config: PlateauConfig) -> float:
    """Return the factor of constant rates; ``reduce_on_plateau`` reduces them between epochs."""
    return constant(done, config)


def _half_cosine(start: float, end: float, done: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2


def build_scheduler(optimizer: "Optimizer", config: SchedulerConfig, steps: int) -> "LambdaLR":
    """Return what sets the rates at every step.

    The factor is a function of the share of steps done (at each step's middle, so no step has rate
    0); a resumed run may therefore be longer than was planned.

    Args:
        optimizer: whose rates are the highest ones.
        config: the config's ``scheduler``.
        steps: of the optimizer in the whole training.
    """
    from torch.optim.lr_scheduler import LambdaLR

    factor = registry.schedulers.get(config.name).target

    def factor_at(step: int) -> float:
        done = min((step + 0.5) / max(steps, 1), 1.0)
        value: float = factor(done, config)
        return value

    return LambdaLR(optimizer, factor_at)


def build_plateau_watcher(
    optimizer: "Optimizer", config: SchedulerConfig
) -> "ReduceLROnPlateau | None":
    """Return what decides when rates are reduced; None if the schedule reduces none."""
    from torch.optim.lr_scheduler import ReduceLROnPlateau

    if not isinstance(config, PlateauConfig):
        return None
    return ReduceLROnPlateau(optimizer, "max", factor=config.factor, patience=config.patience)


def reduce_on_plateau(scheduler: "LambdaLR", watcher: "ReduceLROnPlateau", value: float) -> None:
    """Show the watcher an epoch's value; if it reduces the rates, reduce the highest rates too."""
    groups = watcher.optimizer.param_groups
    before = [group["lr"] for group in groups]
    watcher.step(value)
    base_lrs = []
    for base, old, group in zip(scheduler.base_lrs, before, groups, strict=True):
        ratio = group["lr"] / old if old else 1.0
        base_lrs.append(base * ratio)
    scheduler.base_lrs = base_lrs
