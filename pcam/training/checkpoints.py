"""Checkpoints of a run folder: best and last; the end of a training that stopped improving."""

import logging
from pathlib import Path

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from pcam.runs.checkpoints import CheckpointState
from pcam.runs.folder import MONITOR, MONITOR_LOSS
from pcam.runs.ranking import Rank, rank

log = logging.getLogger(__name__)

PATH_KEYS = ("best_model_path", "last_model_path", "kth_best_model_path")


class Checkpoint(ModelCheckpoint):
    """A ModelCheckpoint that ranks epochs by AUROC, then loss, then time (``runs.ranking``).

    It keeps its best value if the run folder has moved.

    Attributes:
        best_rank: of the epoch of the checkpoint; None before the first, and of one without a
            monitored metric.
    """

    best_rank: Rank | None = None

    def check_monitor_top_k(self, trainer: Trainer, current: Tensor | None = None) -> bool:
        """Return whether the epoch is the best so far; all processes decide alike."""
        if current is None:
            return False
        own = epoch_rank(trainer)
        is_best = self.best_rank is None or own > self.best_rank
        is_best = trainer.strategy.reduce_boolean_decision(is_best)
        if is_best:
            self.best_rank = own
        return is_best

    def state_dict(self) -> CheckpointState:
        """Return what a checkpoint keeps."""
        best_rank = None if self.best_rank is None else list(self.best_rank)
        return {**super().state_dict(), "best_rank": best_rank}

    def load_state_dict(self, state_dict: CheckpointState) -> None:
        """Restore the state, with paths in today's folder."""
        self.best_rank = _saved_rank(state_dict)
        state = {**state_dict, "dirpath": self.dirpath}
        for key in PATH_KEYS:
            state[key] = self._move(state_dict[key])
        best = {}
        for path, score in state_dict["best_k_models"].items():
            best[self._move(path)] = score
        state["best_k_models"] = best
        super().load_state_dict(state)

    def _move(self, path: str) -> str:
        """Return where a checkpoint is now; no path stays none."""
        return str(Path(str(self.dirpath)) / Path(path).name) if path else path


def epoch_rank(trainer: Trainer) -> Rank:
    """Return the rank of the epoch that has just been validated."""
    metrics = trainer.callback_metrics
    loss = metrics.get(MONITOR_LOSS)
    return rank(
        float(metrics[MONITOR]), None if loss is None else float(loss), trainer.current_epoch
    )


def _saved_rank(state: CheckpointState) -> Rank | None:
    """Return the rank that a checkpoint keeps; versions up to 0.2.0 kept the AUROC alone."""
    saved = state.get("best_rank")
    if saved is not None:
        return Rank(*saved)
    score = state.get("best_model_score")
    return None if score is None else rank(float(score), None)


def build_checkpoints(folder: Path) -> list[Checkpoint]:
    """Return the callbacks that write best.ckpt and last.ckpt.

    ``save_last`` of one callback would write only in epochs that are also the best.
    """
    best = Checkpoint(
        dirpath=folder / "checkpoints",
        filename="best",
        monitor=MONITOR,
        mode="max",
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    last = Checkpoint(
        dirpath=folder / "checkpoints",
        filename="last",
        monitor=None,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    return [best, last]


class EarlyStopping(Callback):
    """Ends a training that has not improved for some epochs.

    An epoch improves on the others by a higher AUROC, or by a lower loss at the same AUROC.

    Args:
        patience: epochs without an improvement.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.waited = 0
        self.best: Rank | None = None

    @property
    def state_key(self) -> str:
        """The key of Lightning's own class, so that checkpoints of 0.1.0 can be resumed."""
        return f"EarlyStopping{ {'monitor': MONITOR, 'mode': 'max'}!r}"

    def state_dict(self) -> CheckpointState:
        """Return what a checkpoint keeps."""
        best_rank = None if self.best is None else list(self.best)
        return {"wait_count": self.waited, "best_rank": best_rank}

    def load_state_dict(self, state_dict: CheckpointState) -> None:
        """Restore what a checkpoint keeps."""
        self.waited = state_dict["wait_count"]
        score = state_dict.get("best_score", torch.tensor(float("nan")))
        self.best = _saved_rank({"best_model_score": score, **state_dict})

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End at once if the training was ended before; a larger patience goes on."""
        self._stop_if_due(trainer, trainer.current_epoch)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count the epochs without an improvement; all processes stop together."""
        own = epoch_rank(trainer)
        improved = self.best is None or own[:2] > self.best[:2]
        if improved:
            self.best, self.waited = own, 0
            return
        self.waited += 1
        self._stop_if_due(trainer, trainer.current_epoch + 1)

    def _stop_if_due(self, trainer: Trainer, epochs: int) -> None:
        """End the training if there was no improvement for too long.

        Args:
            trainer: of the training.
            epochs: that were trained.
        """
        stop = trainer.strategy.reduce_boolean_decision(self.waited >= self.patience, all=False)
        if stop:
            trainer.should_stop = True
            log.info(self._describe(epochs))

    def _describe(self, epochs: int) -> str:
        """Return why the training ends after some epochs."""
        assert self.best is not None
        count = "1 epoch" if self.waited == 1 else f"{self.waited} epochs"
        return (
            f"stopped after epoch {epochs}: no better valid AUROC than {self.best.auroc:.4f} "
            f"for {count} (trainer.early_stopping)"
        )
