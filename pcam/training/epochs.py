"""Callbacks at every epoch: freezing, learning rates, the table of epochs, and early ends."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path

from lightning import Callback, LightningModule, Trainer

from pcam.models.classifier import PatchClassifier
from pcam.models.freezing import FreezePlan
from pcam.models.parameter_groups import is_backbone
from pcam.runs.files import read_metrics, write_csv
from pcam.runs.folder import MONITOR
from pcam.sweeps import pruning

log = logging.getLogger(__name__)

# Columns of metrics.csv in the progress line of an epoch.
PROGRESS = {"loss": "train/loss_epoch", "valid loss": "valid/loss", "valid AUROC": MONITOR}


class FreezeBackbone(Callback):
    """Freezes and unfreezes the backbone.

    What is frozen depends on the epoch alone, so a resumed training needs no state, and the
    optimizer has the backbone's parameters from the start (pytorch-lightning #8720, #21901).

    Args:
        plan: which epochs train the backbone.
    """

    def __init__(self, plan: FreezePlan) -> None:
        self.plan = plan

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Freeze or unfreeze for this epoch."""
        self._freeze(trainer, pl_module)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Do so too where a training goes on in the middle of an epoch."""
        self._freeze(trainer, pl_module)

    def _freeze(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, PatchClassifier)
        frozen = self.plan.frozen(trainer.current_epoch)
        pl_module.network.freeze(frozen, self.plan.keep_statistics)


class LearningRates(Callback):
    """Logs the learning rates of each epoch's first step; that of a frozen backbone is 0.

    Args:
        plan: which epochs train the backbone.

    Attributes:
        rates: of the current epoch's first step, by the name of the parameter group.
    """

    def __init__(self, plan: FreezePlan) -> None:
        self.plan = plan
        self.rates: dict[str, float] = {}

    def state_dict(self) -> dict[str, float]:
        """Return what a checkpoint keeps."""
        return self.rates

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        """Restore what a checkpoint keeps."""
        self.rates = dict(state_dict)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the rate of each parameter group."""
        is_frozen = self.plan.frozen(trainer.current_epoch)
        for group in trainer.optimizers[0].param_groups:
            name, rate = group["name"], group["lr"]
            if is_frozen and is_backbone(name):
                rate = 0.0
            self.rates[name] = float(rate)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the rates."""
        for name, rate in self.rates.items():
            pl_module.log(f"lr/{name}", rate)


class EpochTable(Callback):
    """Writes metrics.csv, a row per epoch; a resumed run continues it.

    Args:
        path: of metrics.csv.
        lines: whether to log a line per epoch, for outputs without a progress bar.
    """

    def __init__(self, path: Path, lines: bool) -> None:
        self.path = path
        self.lines = lines
        self.rows: list[dict[str, str]] = []
        self.start = time.perf_counter()  # of the epoch; later by what an interruption took

    def state_dict(self) -> dict[str, float]:
        """Return what a checkpoint keeps."""
        return {"seconds": time.perf_counter() - self.start}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        """Restore what a checkpoint keeps."""
        self.start = time.perf_counter() - state_dict["seconds"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Read the rows of the epochs that are done."""
        rows = read_metrics(self.path)
        self.rows = [row for row in rows if int(row["epoch"]) < trainer.current_epoch]

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self.start = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the epoch's row."""
        seconds = time.perf_counter() - self.start
        # in every process: reading them may gather them
        metrics = {key: float(value) for key, value in trainer.callback_metrics.items()}
        if not trainer.is_global_zero:
            return
        self.rows.append(_format_row(trainer, seconds, metrics))
        self._write()
        if self.lines:
            log.info(_progress_line(trainer, seconds, metrics))

    def _write(self) -> None:
        """Write all rows; a column is empty in the rows that lack it."""
        columns: dict[str, None] = {}
        for row in self.rows:
            columns |= dict.fromkeys(row)
        cells = []
        for row in self.rows:
            cells.append([row.get(column, "") for column in columns])
        write_csv(self.path, list(columns), cells)


def _format_row(trainer: Trainer, seconds: float, metrics: Mapping[str, float]) -> dict[str, str]:
    """Return an epoch's row of metrics.csv.

    Args:
        trainer: at the end of the epoch.
        seconds: of the epoch.
        metrics: value by the name of its column.
    """
    row = {
        "epoch": str(trainer.current_epoch),
        "step": str(trainer.global_step),
        "seconds": str(round(seconds, 2)),
    }
    for key in sorted(metrics):
        row[key] = f"{metrics[key]:.6g}"
    return row


def _progress_line(trainer: Trainer, seconds: float, metrics: Mapping[str, float]) -> str:
    """Return the line of an epoch: its number, losses and AUROC, and its seconds.

    Args:
        trainer: at the end of the epoch.
        seconds: of the epoch.
        metrics: value by the name of its column.
    """
    parts = [f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"]
    for name, key in PROGRESS.items():
        if key in metrics:
            parts.append(f"{name} {metrics[key]:.4f}")
    parts.append(f"({seconds:.0f} s)")
    return "  ".join(parts)


class MedianRule(Callback):
    """Ends a training by the median rule.

    Args:
        folder: the job's.
        sweep: the sweep's.
        after: epochs that every job is given.
        jobs: how many other jobs must have finished.

    Attributes:
        verdict: why the training ended (``pruning.judge``); None if it did not. Checkpoints keep
            it, so that a job which is resumed stays ended.
    """

    def __init__(self, folder: Path, sweep: Path, after: int, jobs: int) -> None:
        self.folder = folder
        self.sweep = sweep
        self.after = after
        self.jobs = jobs
        self.verdict: dict[str, float] | None = None

    def state_dict(self) -> dict[str, dict[str, float] | None]:
        """Return what a checkpoint keeps."""
        return {"verdict": self.verdict}

    def load_state_dict(self, state_dict: dict[str, dict[str, float] | None]) -> None:
        """Restore what a checkpoint keeps."""
        self.verdict = state_dict["verdict"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End at once if the verdict was reached before."""
        if self.verdict is not None:
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Judge in the first process; all processes follow."""
        verdict = None
        if trainer.is_global_zero:
            verdict = self._judge(trainer)
        self.verdict = trainer.strategy.broadcast(verdict)
        if self.verdict is not None:
            trainer.should_stop = True
            log.info("pruned %s", pruning.describe_verdict(self.verdict))

    def _judge(self, trainer: Trainer) -> dict[str, float] | None:
        """Return why the training ends after this epoch.

        Args:
            trainer: at the end of the epoch.

        Returns:
            What ``pruning.judge`` returns; None if the training goes on.
        """
        done = trainer.current_epoch + 1
        epochs = trainer.max_epochs or 0
        if not self.after <= done < epochs:
            return None
        return pruning.judge(self.folder, self.sweep, trainer.current_epoch, self.jobs)
