"""The LightningModule: loss, optimizer, learning rates, and the metrics of valid and test."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from lightning import LightningModule
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from pcam.config import registry
from pcam.config.registry import Registry
from pcam.config.sections import (
    HeadConfig,
    LastBlocksFinetune,
    LoraFinetune,
    LossConfig,
    OptimizerConfig,
    SchedulerConfig,
)
from pcam.data.features import FEATURES
from pcam.data.randomness import Purpose, Stream
from pcam.errors import NotFiniteError
from pcam.models.accumulation import ensure_epoch_holds_a_step, loss_factor
from pcam.models.checkpoint_content import read_checkpoint
from pcam.models.epoch_means import EpochMeans
from pcam.models.folding import FoldedNetwork
from pcam.models.freezing import FreezePlan, build_plan, read_finetune
from pcam.models.losses import count_outputs
from pcam.models.mixing import draw_mix
from pcam.models.network import Network
from pcam.models.optimizers import FUSED_ON, build_optimizer
from pcam.models.parameter_groups import check_layer_groups, group_parameters
from pcam.models.partial import add_adapters, train_last_blocks
from pcam.models.patch_format import KEY as PATCHES_KEY
from pcam.models.patch_format import PatchFormat, check_images
from pcam.models.schedules import build_plateau_watcher, build_scheduler, reduce_on_plateau
from pcam.models.scores import Scores, build_metrics, ensure_finite_scores, gather_scores
from pcam.models.weights import WeightsOrigin, describe_not_finite
from pcam.runs.checkpoints import CheckpointState
from pcam.runs.earlier_keys import with_current_keys

if TYPE_CHECKING:
    from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig

Batch = dict[str, Tensor]
StepNetwork = Callable[[Tensor], Tensor]  # raw patches (B, 3, H, W) to log-odds (B,)
Settings = dict[str, Any]  # plain values, so that checkpoints hold no code
SectionClass = TypeVar("SectionClass", LossConfig, OptimizerConfig, SchedulerConfig)

ORIGIN_KEY = "initial_weights"  # of a checkpoint
MEANS_KEY = "epoch_means"


class PatchClassifier(LightningModule):
    """A network and how it is trained.

    All arguments are plain numbers, strings, lists and dicts, so a checkpoint can be read with
    ``weights_only=True`` and holds no path to code.

    Args:
        network: settings of ``Network`` except ``outputs``.
        loss: the config's ``loss``.
        optimizer: the config's ``optimizer``.
        scheduler: the config's ``scheduler``.
        finetune: the config's ``finetune``.
        epochs: of the whole training.
        seed: of dropout and the head's weights.

    Attributes:
        plan: when the backbone is trained; the callback ``FreezeBackbone`` follows it.
        valid_metrics: torchmetrics' collection for valid.
        test_metrics: likewise for test.
        scores: per stage ("valid", "test"), those of the last evaluation.
        weights_origin: what the backbone was initialised with; None if unknown.
        skips_not_finite: whether batches whose loss is not finite are left out.
        mixup: parameters of the beta distribution by which training patches are blended; 0: they
            are not.
        patch_format: the patches that it is trained on; None if unknown.
        step_network: computes the log-odds of training batches in place of ``network``: the same
            function, compiled or captured; None for ``network`` itself.
        step_loss: the mean loss of the last training batch, on the device.
    """

    def __init__(
        self,
        network: Settings,
        loss: Settings,
        optimizer: Settings,
        scheduler: Settings,
        finetune: Settings,
        epochs: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.loss_config = _read_section(registry.losses, loss, LossConfig)
        self.optimizer_config = _read_section(registry.optimizers, optimizer, OptimizerConfig)
        self.scheduler_config = _read_section(registry.schedulers, scheduler, SchedulerConfig)
        self.finetune_config = read_finetune(finetune)
        self.plan: FreezePlan = build_plan(self.finetune_config, epochs)
        self.network = _build_network(network, count_outputs(self.loss_config))
        self._evaluated = FoldedNetwork(self.network)
        if isinstance(self.finetune_config, LastBlocksFinetune):
            train_last_blocks(self.network.backbone, self.finetune_config, network["name"])
            self.network.trains_part = True
        if self.finetune_config.layer_decay is not None:
            check_layer_groups(self.network.backbone, network["name"])
        self.valid_metrics = build_metrics()
        self.test_metrics = build_metrics()
        self.scores: dict[str, Scores] = {}
        self.weights_origin: WeightsOrigin | None = None
        self.skips_not_finite = False
        self.mixup = 0.0
        self.patch_format: PatchFormat | None = None
        self.step_network: StepNetwork | None = None
        self.step_loss: Tensor | None = None
        self._means = EpochMeans()
        self._dropout = Stream(seed, Purpose.TORCH)
        self._mixing = Stream(seed, Purpose.MIXUP)
        self._plateau_watcher: ReduceLROnPlateau | None = None
        self._plateau_state: CheckpointState | None = None

    @classmethod
    def load(cls, path: Path) -> "PatchClassifier":
        """Load a classifier from a checkpoint, on the CPU, in eval mode.

        Raises:
            NotFiniteError: its weights are not finite.
            ValueError: it holds other values than a checkpoint of a classifier does.
        """
        checkpoint = read_checkpoint(path)
        model = cls(**checkpoint["hyper_parameters"])
        model.on_load_checkpoint(checkpoint)
        model.adapt()
        model.load_state_dict(checkpoint["state_dict"])
        fault = describe_not_finite(model.state_dict())
        if fault is not None:
            raise NotFiniteError(f"{path} holds weights that are not finite: {fault}")
        model.eval()
        model.evaluated.prepare()
        return model

    def set_weights_origin(self, origin: WeightsOrigin | None) -> None:
        """Keep what the backbone was initialised with; the plan follows ``batchnorm: auto``."""
        self.weights_origin = origin
        pretrained = origin is not None and origin.pretrained
        self.plan = build_plan(self.finetune_config, self.hparams["epochs"], pretrained)

    def adapt(self) -> None:
        """Add the adapters of ``finetune=lora``, once, after the initial weights are loaded."""
        if not isinstance(self.finetune_config, LoraFinetune) or self.network.trains_part:
            return
        name, seed = self.hparams["network"]["name"], self.hparams["seed"]
        add_adapters(self.network.backbone, self.finetune_config, name, seed)
        self.network.trains_part = True

    def set_input_size(self, size: int | None) -> None:
        """Resize patches to another size; the network must take it. Checkpoints keep it.

        Args:
            size: pixels; None to leave patches as they are.
        """
        self.network.input_size = size
        self.hparams["network"]["input_size"] = size

    def set_rates(self, lr: float, head_lr: float) -> None:
        """Set the highest learning rates of backbone and head. Checkpoints keep them."""
        rates = {"lr": lr, "head_lr": head_lr}
        self.optimizer_config = self.optimizer_config.model_copy(update=rates)
        self.hparams["optimizer"].update(rates)

    def describe_weights(self) -> str:
        """Return what the backbone was initialised with, as text."""
        return "unknown" if self.weights_origin is None else str(self.weights_origin)

    def forward(self, image: Tensor) -> Tensor:
        """Return log-odds (B,) of whole patches, cropped as the run crops the test split.

        ``network`` takes patches as they are, also floats from 0 to 255, for gradients.

        Args:
            image: uint8 (B, 3, H, W), of the size that the network was trained on.

        Raises:
            DataError: another dtype, shape or size.
        """
        check_images(image)
        if self.patch_format is not None:
            image = self.patch_format.prepare(image)
        logit: Tensor = self.network(image)
        return logit

    def compute_loss(self, logit: Tensor, label: Tensor) -> Tensor:
        """Return each patch's loss (B,) from log-odds (B,) and labels (B,)."""
        function = registry.losses.get(self.loss_config.name).target
        loss: Tensor = function(logit, label, self.loss_config)
        return loss

    # Training -----------------------------------------------------------------------------------

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the batch's mean loss."""
        self._seed_step(batch_idx)
        label = batch["label"]
        if self.mixup:
            image = batch["image"]
            mix = draw_mix(self.mixup, len(image), self._mixup_draws(batch_idx), self.device)
            logit = self._score_for_training(mix.blend(image))
            loss = mix.blend_losses(self.compute_loss, logit, label).mean()
        else:
            logit = self._score_batch(batch, self._score_for_training)
            loss = self.compute_loss(logit, label).mean()
        correct = ((logit > 0) == (label > 0)).float().mean()
        self.step_loss = loss.detach()
        self._add_to_means(loss, correct, len(logit))
        if self.trainer.is_last_batch:
            self._log_means()
        setting, batches = self.trainer.accumulate_grad_batches, self.trainer.num_training_batches
        factor = loss_factor(batch_idx, setting, int(batches))
        return loss if factor == 1 else loss * factor

    def _add_to_means(self, loss: Tensor, correct: Tensor, size: int) -> None:
        """Add a batch's loss and accuracy to the epoch's; one that is left out does not count.

        Args:
            loss: ().
            correct: share of the batch's patches, ().
            size: of the batch.
        """
        if self.skips_not_finite and not loss.isfinite():
            loss, correct, size = torch.zeros_like(loss), torch.zeros_like(correct), 0
        self._means.update({"loss_epoch": loss, "accuracy": correct}, size)

    def _log_means(self) -> None:
        """Log the epoch's mean loss and accuracy over all processes."""
        totals = self._means.totals()
        if self.trainer.world_size > 1:
            reduce = self.trainer.strategy.reduce
            totals = {name: reduce(total, reduce_op="sum") for name, total in totals.items()}
        size = totals.pop("size")
        for name, total in totals.items():
            self.log(f"train/{name}", total / size, on_step=False, on_epoch=True, batch_size=1)
        self._means.reset()

    def _score_batch(self, batch: Batch, network: StepNetwork) -> Tensor:
        """Return log-odds (B,) of a batch of images, or of features of a frozen backbone."""
        if FEATURES in batch:
            return self.network.classify(batch[FEATURES])
        return network(batch["image"])

    def _score_for_training(self, image: Tensor) -> Tensor:
        """Return log-odds (B,) of a training batch."""
        if self.step_network is None:
            return self.network(image)  # type: ignore[no-any-return]
        return self.step_network(image)

    def _seed_step(self, batch_idx: int) -> None:
        """Make dropout's draws a function of (seed, epoch, step), as all other draws are."""
        generator = self._dropout.at(self.current_epoch, self._global_batch(batch_idx))
        torch.manual_seed(int(generator.integers(1 << 62)))

    def _mixup_draws(self, batch_idx: int) -> np.random.Generator:
        """Return the generator of a batch's blend, a function of (seed, epoch, step)."""
        return self._mixing.at(self.current_epoch, self._global_batch(batch_idx))

    def _global_batch(self, batch_idx: int) -> int:
        """Return the number of a batch of this process among those of all processes."""
        return int(batch_idx * self.trainer.world_size + self.global_rank)

    def configure_optimizers(self) -> "OptimizerLRSchedulerConfig":
        """Return the optimizer of backbone and head, and the scheduler of every step."""
        optimizer = build_optimizer(
            group_parameters(self.network, self.optimizer_config, self.finetune_config.layer_decay),
            self.optimizer_config,
            fused=self.device.type in FUSED_ON and self.trainer.gradient_clip_val is None,
        )
        steps = int(self.trainer.estimated_stepping_batches)
        batches = int(self.trainer.num_training_batches)
        ensure_epoch_holds_a_step(self.trainer.accumulate_grad_batches, batches)
        scheduler = build_scheduler(optimizer, self.scheduler_config, steps)
        self._plateau_watcher = build_plateau_watcher(optimizer, self.scheduler_config)
        if self._plateau_watcher is not None and self._plateau_state is not None:
            self._plateau_watcher.load_state_dict(self._plateau_state)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def on_train_epoch_end(self) -> None:
        """Reduce the rates if valid AUROC has not improved.

        Lightning would do so after the epoch's checkpoint is written, and leave it out on resuming.
        """
        value = self.trainer.callback_metrics.get("valid/auroc")
        if self._plateau_watcher is None or value is None or not torch.isfinite(value):
            return
        scheduler = self.lr_schedulers()
        assert isinstance(scheduler, LambdaLR)
        reduce_on_plateau(scheduler, self._plateau_watcher, float(value))

    def on_save_checkpoint(self, checkpoint: CheckpointState) -> None:
        """Store the origin of the weights, the patches, means and the plateau watcher's state."""
        checkpoint[MEANS_KEY] = self._means.state(self.trainer.strategy.all_gather)
        if self.patch_format is not None:
            checkpoint[PATCHES_KEY] = self.patch_format.plain()
        if self.weights_origin is not None:
            checkpoint[ORIGIN_KEY] = asdict(self.weights_origin)
        if self._plateau_watcher is not None:
            checkpoint["plateau"] = self._plateau_watcher.state_dict()

    def on_load_checkpoint(self, checkpoint: CheckpointState) -> None:
        """Restore the origin of the weights, and the watcher's state once there is an optimizer."""
        self._plateau_state = checkpoint.get("plateau")
        self._means.restore(checkpoint.get(MEANS_KEY, {}), self.global_rank)
        self.set_weights_origin(read_origin(checkpoint))
        self.patch_format = PatchFormat.read(checkpoint) or self.patch_format

    # Evaluation ---------------------------------------------------------------------------------

    @property
    def evaluated(self) -> FoldedNetwork:
        """What computes the network's log-odds in eval mode, on a CPU faster than the network."""
        if self._evaluated.network is not self.network:
            self._evaluated = FoldedNetwork(self.network)
        return self._evaluated

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Add the batch to valid's metrics."""
        self.valid_metrics.update(*self._score(batch))

    def on_validation_epoch_end(self) -> None:
        """Log valid's metrics."""
        self._log_metrics("valid")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Add the batch to test's metrics."""
        self.test_metrics.update(*self._score(batch))

    def on_test_epoch_end(self) -> None:
        """Log test's metrics."""
        self._log_metrics("test")

    def _score(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return index, label, logit and loss of a batch, (B,) each."""
        logit = self._score_batch(batch, self.evaluated).double()
        loss = self.compute_loss(logit, batch["label"])
        return batch["index"], batch["label"], logit, loss

    def _log_metrics(self, stage: str) -> None:
        metrics = self.valid_metrics if stage == "valid" else self.test_metrics
        scores = self.scores[stage] = gather_scores(metrics)
        sources = self.trainer.datamodule.sources  # type: ignore[attr-defined]
        where = stage
        if self.trainer.state.fn == "fit":
            where = f"epoch {self.current_epoch + 1}, {stage}"
        ensure_finite_scores(where, scores.index, scores.loss, sources[stage].ids)
        for name, value in metrics.compute().items():
            in_bar = name == "auroc"
            self.log(f"{stage}/{name}", float(value), prog_bar=in_bar, rank_zero_only=False)
        metrics.reset()


def read_origin(checkpoint: CheckpointState) -> WeightsOrigin | None:
    """Return what a checkpoint's network was initialised with; None if it does not say."""
    origin = with_current_keys("checkpoint", checkpoint).get(ORIGIN_KEY)
    return WeightsOrigin(**origin) if origin else None


def _build_network(settings: Settings, outputs: int) -> Network:
    head = HeadConfig.model_validate(settings["head"])
    return Network(**{**settings, "head": head}, outputs=outputs)


def _read_section(
    entries: Registry, settings: Settings, default: type[SectionClass]
) -> SectionClass:
    """Return a section of the config from plain values; its class is that of the named entry."""
    entry = entries.get(settings.get("name"))
    section = (entry.config or default).model_validate(settings)
    assert isinstance(section, default)
    return section
