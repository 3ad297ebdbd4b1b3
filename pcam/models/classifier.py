"""The LightningModule: loss, optimizer, schedule, freezing, and every patch's score once per evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import LightningModule
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from pcam.config.tables import build, check, look_up
from pcam.data.randomness import Purpose, draw
from pcam.errors import ConfigError
from pcam.models.freezing import FreezePlan, build_plan
from pcam.models.network import Network
from pcam.models.schedules import build_optimizer, build_scheduler, cut
from pcam.stats.metrics import classification_metrics


@dataclass(frozen=True)
class Scores:
    """What a network says of a split, each patch once, in the source's order.

    Attributes:
        index: int64 (N,).
        label: uint8 (N,).
        probability: float64 (N,), of the positive class.
        loss: float64 (N,).
    """

    index: NDArray[np.int64]
    label: NDArray[np.uint8]
    probability: NDArray[np.float64]
    loss: NDArray[np.float64]


def cross_entropy(logit: Tensor, label: Tensor, label_smoothing: float) -> Tensor:
    """Return each patch's cross entropy, float32 (B,).

    With p = sigmoid(logit) this is at once binary cross entropy and, the logit being the difference of two outputs, the
    softmax cross entropy over both; a smoothed label is 1 - s/2 or s/2 (Szegedy et al. 2016, for two classes).

    Args:
        logit: log-odds, (B,).
        label: 0 or 1, (B,).
        label_smoothing: s, share of the target that is spread over both classes.
    """
    target = label.to(logit.dtype) * (1 - label_smoothing) + label_smoothing / 2
    return F.binary_cross_entropy_with_logits(logit, target, reduction="none")


OUTPUTS: Mapping[str, int] = {"ce": 2, "bce": 1}  # loss to the network's outputs


class PatchClassifier(LightningModule):
    """A network and how it is trained.

    Everything that it is made from is a plain number, string, list or dict, so a checkpoint reads back with
    ``weights_only=True`` and holds no path to code.

    Args:
        network: settings of ``Network`` but ``outputs``.
        loss: the config's ``loss``.
        optimizer: the config's ``optimizer``.
        scheduler: the config's ``scheduler``.
        finetune: the config's ``finetune``.
        epochs: of the whole training.
        seed: of dropout and the head's weights.

    Attributes:
        scores: per stage ("valid", "test"), the last evaluation's.
        began: what the backbone's weights began as (``Weights`` as a dict).
    """

    def __init__(
        self,
        network: dict[str, Any],
        loss: dict[str, Any],
        optimizer: dict[str, Any],
        scheduler: dict[str, Any],
        finetune: dict[str, Any],
        epochs: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        for rate in ("lr", "head_lr", "weight_decay"):
            check(optimizer.get(rate), float, f"optimizer.{rate}")
        outputs = look_up(OUTPUTS, loss.get("name"), "loss.name")
        self.network = build(Network, network, "model", outputs=outputs)
        self.smoothing: float = build(
            _smoothing, {k: v for k, v in loss.items() if k != "name"}, "loss"
        )
        self.plan: FreezePlan = build_plan(finetune, epochs)
        self.began: dict[str, str] = {}
        self.scores: dict[str, Scores] = {}
        self._parts: list[Tensor] = []
        self._watcher_state: dict[str, Any] | None = None

    @classmethod
    def load(cls, path: Path) -> "PatchClassifier":
        """Rebuild a classifier, on the CPU, in eval mode, from a checkpoint."""
        model = cls.load_from_checkpoint(path, map_location="cpu", weights_only=True)
        return model.eval()

    def began_as(self) -> str:
        """Return what the backbone's weights began as, in words."""
        return f"{self.began['origin']} ({self.began['detail']})" if self.began else "unknown"

    def forward(self, image: Tensor) -> Tensor:
        """Return log-odds (B,) of raw patches (B, 3, H, W)."""
        logit: Tensor = self.network(image)
        return logit

    # Training -------------------------------------------------------------------------------------------------------

    def on_train_epoch_start(self) -> None:
        """Freeze by the epoch; log the rates of its first step."""
        self.network.freeze(self.plan.frozen(self.current_epoch), self.plan.keep_statistics)
        for group in self._scheduler.optimizer.param_groups:
            frozen = group["name"] == "backbone" and self.network.frozen
            self.log(f"lr/{group['name']}", 0.0 if frozen else group["lr"])

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Return the batch's mean loss. Dropout's draws belong to (seed, epoch, step), as all others do."""
        step = batch_idx * self.trainer.world_size + self.global_rank
        torch.manual_seed(
            int(
                draw(self.hparams["seed"], Purpose.TORCH, self.current_epoch, step).integers(
                    1 << 62
                )
            )
        )
        logit = self(batch["image"])
        loss = cross_entropy(logit, batch["label"], self.smoothing).mean()
        size = len(logit)
        correct = ((logit > 0) == (batch["label"] > 0)).float().mean()
        self.log(
            "train/loss",
            loss,
            on_step=True,
            on_epoch=True,
            prog_bar=True,
            batch_size=size,
            sync_dist=True,
        )
        self.log(
            "train/accuracy", correct, on_step=False, on_epoch=True, batch_size=size, sync_dist=True
        )
        return loss

    def configure_optimizers(self) -> Any:
        """Return the optimizer of two groups and the scheduler of every step."""
        settings = self.hparams
        backbone, head = self.network.backbone.parameters(), self.network.head.parameters()
        optimizer = build(
            build_optimizer, settings["optimizer"], "optimizer", backbone=backbone, head=head
        )
        steps = self.trainer.estimated_stepping_batches
        self._scheduler, self._watcher = build_scheduler(
            optimizer, settings["scheduler"], int(steps)
        )
        if self._watcher is not None and self._watcher_state is not None:
            self._watcher.load_state_dict(self._watcher_state)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": self._scheduler, "interval": "step"},
        }

    def on_train_epoch_end(self) -> None:
        """Cut the rates if valid AUROC calls for it.

        Lightning would do so after the epoch's checkpoint is written, and leave it out on resuming.
        """
        value = self.trainer.callback_metrics.get("valid/auroc")
        if self._watcher is not None and value is not None and torch.isfinite(value):
            cut(self._scheduler, self._watcher, float(value))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what the weights began as, and the plateau watcher's state."""
        checkpoint["began"] = self.began
        if getattr(self, "_watcher", None) is not None:
            checkpoint["plateau"] = self._watcher.state_dict()  # type: ignore[union-attr]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take what the weights began as, and the plateau watcher's state, for when the optimizer is there."""
        self._watcher_state = checkpoint.get("plateau")
        self.began = checkpoint.get("began", {})

    # Evaluation -----------------------------------------------------------------------------------------------------

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Keep the batch's scores."""
        self._keep(batch)

    def test_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Keep the batch's scores."""
        self._keep(batch)

    def on_validation_epoch_end(self) -> None:
        """Compute valid's metrics from every patch once."""
        self._conclude("valid")

    def on_test_epoch_end(self) -> None:
        """Compute test's metrics from every patch once."""
        self._conclude("test")

    def _keep(self, batch: dict[str, Tensor]) -> None:
        logit = self(batch["image"]).double()
        loss = cross_entropy(logit, batch["label"], self.smoothing)
        self._parts.append(
            torch.stack([batch["index"].double(), batch["label"].double(), logit, loss])
        )

    def _conclude(self, stage: str) -> None:
        """Gather the processes' scores; a patch that was dealt twice, to even out the processes, counts once."""
        rows = torch.cat(self._parts, dim=1)
        self._parts = []
        gathered = self.all_gather(rows)
        assert isinstance(gathered, Tensor)
        table = (
            gathered.movedim(-2, 0).reshape(4, -1).cpu().numpy()
            if gathered.ndim == 3
            else rows.cpu().numpy()
        )
        index, first = np.unique(table[0].astype(np.int64), return_index=True)
        label, logit, loss = table[1:, first]
        probability = 1 / (1 + np.exp(-logit))
        self.scores[stage] = scores = Scores(index, label.astype(np.uint8), probability, loss)
        values = {
            "loss": float(loss.mean()),
            **classification_metrics(scores.probability, scores.label),
        }
        for name, value in values.items():
            self.log(f"{stage}/{name}", value, prog_bar=name == "auroc", rank_zero_only=False)


def _smoothing(label_smoothing: float) -> float:
    if not 0 <= label_smoothing < 1:
        raise ConfigError(f"loss.label_smoothing={label_smoothing} is not in [0, 1)")
    return label_smoothing
