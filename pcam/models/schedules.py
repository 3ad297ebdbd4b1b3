"""Learning rates over the course of training, and the optimizers that follow them."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from pcam.config.tables import build, look_up
from pcam.errors import ConfigError, suggest

Shape = Callable[[float], float]  # share of the steps done, 0 to 1, to the factor of the rates
TORCH = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


def build_optimizer(
    backbone: Iterable[nn.Parameter],
    head: Iterable[nn.Parameter],
    name: str,
    lr: float,
    head_lr: float,
    weight_decay: float,
    kwargs: Mapping[str, Any],
) -> Optimizer:
    """Return an optimizer of two groups, backbone and head, from the first step on, frozen or not.

    A frozen backbone gets no gradient, and an optimizer leaves alone what has none, weight decay included. Adding the
    group later instead breaks schedulers and resumption (pytorch-lightning #8720, #21901).

    Args:
        backbone: its parameters.
        head: its parameters.
        name: adam, adamw, sgd (torch's), or any of timm's.
        lr: of the backbone.
        head_lr: of the head.
        weight_decay: of both.
        kwargs: anything else that the optimizer takes.
    """
    groups = [
        {"params": list(backbone), "lr": lr, "name": "backbone"},
        {"params": list(head), "lr": head_lr, "name": "head"},
    ]
    groups = [group for group in groups if group["params"]]
    try:
        if name in TORCH:
            optimizer: Optimizer = TORCH[name](groups, lr=lr, weight_decay=weight_decay, **kwargs)
            return optimizer
        from timm.optim import create_optimizer_v2, list_optimizers

        if name not in list_optimizers():
            raise ConfigError(
                f"optimizer.name={name} is not known{suggest(name, [*TORCH, *list_optimizers()])}"
            )
        optimizer = create_optimizer_v2(
            groups, opt=name, lr=lr, weight_decay=weight_decay, **kwargs
        )
    except (TypeError, ValueError) as error:
        raise ConfigError(f"optimizer.name={name}: {error}") from error
    return optimizer


def build_scheduler(
    optimizer: Optimizer, settings: Mapping[str, Any], steps: int
) -> tuple[LambdaLR, ReduceLROnPlateau | None]:
    """Return what sets the rates at every step, and what cuts them at an epoch's end where that is asked for.

    The shape is a function of the share of steps done (at each step's middle, so no step has rate 0); a resumed run may
    therefore be longer than was planned.

    Args:
        optimizer: whose rates are the highest ones.
        settings: the config's ``scheduler``.
        steps: of the optimizer in the whole training.
    """
    rest = {key: value for key, value in settings.items() if key != "name"}
    shape, plateau = build(
        look_up(SCHEDULERS, settings["name"], "scheduler.name"), rest, "scheduler"
    )
    watcher = plateau(optimizer) if plateau else None
    return LambdaLR(optimizer, lambda step: shape(min((step + 0.5) / max(steps, 1), 1.0))), watcher


def cut(scheduler: LambdaLR, watcher: ReduceLROnPlateau, value: float) -> None:
    """Show the watcher an epoch's value; where it cuts the rates, cut the highest rates that the scheduler starts from."""
    before = [group["lr"] for group in watcher.optimizer.param_groups]
    watcher.step(value)
    after = [group["lr"] for group in watcher.optimizer.param_groups]
    scheduler.base_lrs = [
        base * (a / b if b else 1.0)
        for base, a, b in zip(scheduler.base_lrs, after, before, strict=True)
    ]


Watcher = Callable[[Optimizer], ReduceLROnPlateau]


def constant(warmup: float) -> tuple[Shape, Watcher | None]:
    """The rates as they are, after the warm-up."""
    return _rising(warmup), None


def cosine(warmup: float) -> tuple[Shape, Watcher | None]:
    """Half a cosine from the rates to 0 after the warm-up (Loshchilov & Hutter 2017, without restarts)."""
    rising = _rising(warmup)
    return (
        lambda done: (
            rising(done) if done < warmup else _cosine(1.0, 0.0, (done - warmup) / (1 - warmup))
        ),
        None,
    )


def onecycle(warmup: float, start: float, end: float) -> tuple[Shape, Watcher | None]:
    """Up along half a cosine, then down along another (Smith & Topin 2018; shape and defaults of torch's OneCycleLR)."""
    _rising(warmup)

    def shape(done: float) -> float:
        if done < warmup:
            return _cosine(start, 1.0, done / warmup)
        return _cosine(1.0, end, (done - warmup) / (1 - warmup))

    return shape, None


def plateau(warmup: float, factor: float, patience: int) -> tuple[Shape, Watcher | None]:
    """The rates cut by ``factor`` when valid AUROC has not risen for more than ``patience`` epochs."""
    if not 0 < factor < 1:
        raise ConfigError(f"scheduler.factor={factor} is not between 0 and 1")
    return _rising(warmup), lambda optimizer: ReduceLROnPlateau(
        optimizer, "max", factor=factor, patience=patience
    )


SCHEDULERS: Mapping[str, Callable[..., tuple[Shape, Watcher | None]]] = {
    "constant": constant,
    "cosine": cosine,
    "onecycle": onecycle,
    "plateau": plateau,
}


def _rising(warmup: float) -> Shape:
    if not 0 <= warmup < 1:
        raise ConfigError(f"scheduler.warmup={warmup} is a share of the steps, in [0, 1)")
    return lambda done: min(1.0, done / warmup) if warmup else 1.0


def _cosine(start: float, end: float, done: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2
