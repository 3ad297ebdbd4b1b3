"""The learning rates that a short search before a training suggests (``trainer.find_lr``).

Lightning's range test (Smith 2017): steps at rates that rise from very low to very high, and the
loss at each. It trains a copy of the network that is then discarded, so that the training itself
is the one that the found rates would have given on the command line.
"""

import copy
import logging
import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from lightning import Trainer
from lightning.pytorch.tuner.tuning import Tuner
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor
from torch.optim import Optimizer

from pcam.config.schema import TrainConfig
from pcam.errors import ConfigError
from pcam.models.classifier import Batch, PatchClassifier
from pcam.runs.figures import write_figure
from pcam.training.memory_checkpoint import CheckpointInMemory
from pcam.training.plots import plot_rates
from pcam.training.preparation import Training
from pcam.training.rate_suggestion import Rates, round_rate, smooth, suggest_rate
from pcam.training.splitting import split_trainer
from pcam.training.trainer import build_trainer

if TYPE_CHECKING:
    from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig

log = logging.getLogger(__name__)

KEY = "trainer.find_lr=true"
STEPS = 100
LOWEST, HIGHEST = 1e-6, 1.0  # of optimizer.lr
FIGURE = "find_lr.png"


@dataclass(frozen=True)
class RateSearch:
    """What a search has found.

    Attributes:
        lr: of the backbone.
        head_lr: of the head.
        rates: of the backbone in each step, (N,).
        losses: of each step, (N,).
    """

    lr: float
    head_lr: float
    rates: Rates
    losses: Rates

    def describe(self) -> str:
        """Return the line of the search."""
        return (
            f"learning rates found in {len(self.rates)} steps (trainer.find_lr): "
            f"optimizer.lr={self.lr:g} optimizer.head_lr={self.head_lr:g}; figures/{FIGURE}"
        )


def find_rates(training: Training) -> None:
    """Set a training's learning rates to those that a search finds, and draw the search.

    Args:
        training: before its first step.

    Raises:
        ConfigError: the training is too short, or no rate lets the loss fall.
    """
    found = search_rates(training)
    training.model.set_rates(found.lr, found.head_lr)
    figure = plot_rates(found.rates, found.losses, smooth(found.losses), found.lr)
    write_figure(training.folder / "figures" / FIGURE, figure)
    log.info(found.describe())


def require_one_process(config: TrainConfig, processes: int) -> None:
    """Make sure that rates are searched in one process only.

    Raises:
        ConfigError: several processes train together, and the config asks for a search.
    """
    if config.trainer.find_lr and processes > 1:
        raise ConfigError(
            f"{KEY} needs one process, and the training has {processes}: find the rates with "
            "trainer.devices=1 trainer.num_nodes=1, then set optimizer.lr and optimizer.head_lr"
        )


def search_rates(training: Training) -> RateSearch:
    """Search rates with a copy of a training's network.

    Args:
        training: before its first step; it stays as it is.

    Raises:
        ConfigError: the training is too short, or no rate lets the loss fall.
    """
    with isolate_rng(include_cuda=True):
        network = SearchedClassifier.copy_of(training.model)
        trainer = _build_search_trainer(training)
        Tuner(trainer).lr_find(
            network,
            datamodule=training.data,
            min_lr=LOWEST,
            max_lr=HIGHEST,
            num_training=STEPS,
            update_attr=False,
        )
    rates = np.array(network.rates)
    losses = np.array([float(loss) for loss in network.losses])
    lr = suggest_rate(rates, losses)
    if lr is None:
        raise ConfigError(
            f"{KEY} found no rate at which the loss falls, from {LOWEST:g} to {HIGHEST:g}; "
            "set optimizer.lr and trainer.find_lr=false"
        )
    settings = training.model.optimizer_config
    head_lr = round_rate(lr * settings.head_lr / settings.lr)
    return RateSearch(lr, head_lr, rates, losses)


class SearchedClassifier(PatchClassifier):
    """A copy of a classifier, whose optimizer is given one rate and keeps the ratio of its groups.

    Attributes:
        rates: of the backbone in each step of the optimizer.
        losses: of each step, the mean of its batches, ().
    """

    rates: list[float]
    losses: list[Tensor]
    batch_losses: list[Tensor]

    @classmethod
    def copy_of(cls, model: PatchClassifier) -> "SearchedClassifier":
        """Return a copy."""
        network = cls(**copy.deepcopy(dict(model.hparams)))
        network.set_weights_origin(model.weights_origin)
        network.adapt()
        network.load_state_dict(model.state_dict())
        network.rates, network.losses, network.batch_losses = [], [], []
        network.mixup = model.mixup
        network.skips_not_finite = model.skips_not_finite
        return network

    def configure_optimizers(self) -> "OptimizerLRSchedulerConfig":
        """Return the optimizer; the search has a schedule of its own.

        Raises:
            ConfigError: the whole training has fewer steps than the search.
        """
        configured = super().configure_optimizers()
        self._require_longer_training()
        optimizer = configured["optimizer"]
        assert isinstance(optimizer, Optimizer)
        self._keep_ratio(optimizer)
        return configured

    def on_train_start(self) -> None:
        """Freeze as in the first epoch; leave out Lightning's progress bar without a terminal."""
        self.network.freeze(self.plan.frozen(0), self.plan.keep_statistics)
        if not sys.stderr.isatty():
            searcher = self.trainer.callbacks[0]  # type: ignore[attr-defined]
            searcher.progress_bar_refresh_rate = 0

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the batch's mean loss, and keep it until the step that it belongs to."""
        loss = super().training_step(batch, batch_idx)
        assert self.step_loss is not None
        self.batch_losses.append(self.step_loss)
        return loss

    def _keep_ratio(self, optimizer: Optimizer) -> None:
        """Multiply the rate that the search sets by each group's ratio, for the time of a step."""
        lr = self.optimizer_config.lr
        ratios = [group["initial_lr"] / lr for group in optimizer.param_groups]
        searched: list[float] = []  # the rates of the groups, which the search sets

        def scale(optimizer: Optimizer, args: object, kwargs: object) -> None:
            searched[:] = [group["lr"] for group in optimizer.param_groups]
            for group, ratio in zip(optimizer.param_groups, ratios, strict=True):
                group["lr"] *= ratio

        def scale_back(optimizer: Optimizer, args: object, kwargs: object) -> None:
            for group, rate in zip(optimizer.param_groups, searched, strict=True):
                group["lr"] = rate
            self.rates.append(float(searched[0]))
            self.losses.append(torch.stack(self.batch_losses).mean())
            self.batch_losses.clear()

        optimizer.register_step_pre_hook(scale)
        optimizer.register_step_post_hook(scale_back)

    def _require_longer_training(self) -> None:
        trainer = self.trainer
        per_epoch = math.ceil(trainer.num_training_batches / trainer.accumulate_grad_batches)
        steps = per_epoch * int(self.hparams["epochs"])
        if steps < STEPS:
            raise ConfigError(
                f"{KEY} takes {STEPS} steps, and the whole training has {steps}; set optimizer.lr, "
                "or more steps (data.patches_per_epoch, trainer.max_epochs)"
            )


def _build_search_trainer(training: Training) -> Trainer:
    """Return a trainer of one search, which scores no split."""
    data, folder = training.data, training.folder
    settings = training.config.trainer.model_copy(update={"max_epochs": STEPS})
    settings = split_trainer(settings, training.split, data.whole_batches(1))
    trainer = build_trainer(
        settings, folder, training.group, [], training.model.plan, CheckpointInMemory()
    )
    trainer.check_val_every_n_epoch = STEPS + 1  # never
    return trainer
