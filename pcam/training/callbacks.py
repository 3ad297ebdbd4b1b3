"""What runs beside the training: checkpoints, early stopping, moving average, the table of epochs."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import (
    EarlyStopping,
    ModelCheckpoint,
    TQDMProgressBar,
    WeightAveraging,
)
from torch.optim.swa_utils import get_ema_multi_avg_fn

from pcam.config.tables import check
from pcam.errors import ConfigError, PcamError
from pcam.runs.files import read_metrics, write_csv
from pcam.runs.folder import MONITOR
from pcam.sweeps import pruning
from pcam.sweeps.state import find_sweep


class EpochTable(Callback):
    """metrics.csv, a row per epoch; a resumed run goes on in it. Without a terminal, also a line per epoch."""

    def __init__(self, path: Path, lines: bool) -> None:
        self.path, self.lines = path, lines
        self.rows: list[dict[str, Any]] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take over the rows of the epochs that are done."""
        self.rows = [
            row for row in read_metrics(self.path) if int(row["epoch"]) < trainer.current_epoch
        ]

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self.began = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the epoch's row."""
        values = {
            key: float(value)
            for key, value in trainer.callback_metrics.items()
            if key != "train/loss_step"
        }
        values.pop("train/loss", None)  # the same as train/loss_epoch
        seconds = time.perf_counter() - self.began
        row = {
            "epoch": trainer.current_epoch,
            "step": trainer.global_step,
            "seconds": round(seconds, 2),
        }
        if not trainer.is_global_zero:
            return
        self.rows.append({**row, **{key: f"{value:.6g}" for key, value in sorted(values.items())}})
        columns = list(dict.fromkeys(key for row in self.rows for key in row))
        write_csv(self.path, columns, ([row.get(key, "") for key in columns] for row in self.rows))
        if self.lines:
            shown = {"loss": "train/loss_epoch", "valid loss": "valid/loss", "valid AUROC": MONITOR}
            told = "  ".join(
                f"{name} {values[key]:.4f}" for name, key in shown.items() if key in values
            )
            print(
                f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  {told}  ({seconds:.0f} s)",
                flush=True,
            )


class FiniteLoss(Callback):
    """Ends a training whose loss is no longer a number."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the epoch's mean loss."""
        loss = trainer.callback_metrics.get("train/loss_epoch")
        if loss is not None and not loss.isfinite():
            raise PcamError(
                f"the training loss is {float(loss)} in epoch {trainer.current_epoch + 1}: lower optimizer.lr and "
                "optimizer.head_lr, set trainer.gradient_clip_val=1, or trainer.precision=32-true"
            )


class Checkpoint(ModelCheckpoint):
    """A ModelCheckpoint that still knows the best figure when its run folder has moved."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the state, with paths in today's folder."""

        def here(path: str) -> str:
            return str(Path(str(self.dirpath)) / Path(path).name) if path else path

        paths = {
            key: here(state_dict[key])
            for key in ("best_model_path", "last_model_path", "kth_best_model_path")
        }
        best = {here(path): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict(
            {**state_dict, **paths, "best_k_models": best, "dirpath": self.dirpath}
        )


class MedianRule(Callback):
    """Ends a training by the median rule.

    Args:
        folder: the job's.
        sweep: the sweep's.
        after: how many epochs every job is given.
        jobs: how many others must have run to their end.

    Attributes:
        verdict: why the training ended (``median.judge``); None where it did not. It is kept in checkpoints, so that a job
            which is resumed after it stays ended.
    """

    def __init__(self, folder: Path, sweep: Path, after: int, jobs: int) -> None:
        self.folder, self.sweep, self.after, self.jobs = folder, sweep, after, jobs
        self.verdict: dict[str, Any] | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"verdict": self.verdict}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take it up again."""
        self.verdict = state_dict["verdict"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End at once where the verdict was spoken before."""
        trainer.should_stop = self.verdict is not None

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Judge; the first process reads, all hear it."""
        epoch, found = trainer.current_epoch, None
        if trainer.is_global_zero and self.after <= epoch + 1 < (trainer.max_epochs or 0):
            found = pruning.judge(self.folder, self.sweep, epoch, self.jobs)
        self.verdict = trainer.strategy.broadcast(found)
        if self.verdict is not None:
            trainer.should_stop = True
            if trainer.is_global_zero:
                print(f"pruned {pruning.describe_verdict(self.verdict)}", flush=True)


def build_callbacks(settings: Mapping[str, Any], folder: Path) -> list[Callback]:
    """Return the callbacks of a training.

    Args:
        settings: the config's ``trainer``.
        folder: the run's.

    Raises:
        ConfigError: a setting is out of range.
    """
    terminal = bool(settings["progress"]) and sys.stderr.isatty()
    callbacks: list[Callback] = [
        EpochTable(folder / "metrics.csv", lines=not terminal),
        FiniteLoss(),
    ]
    if terminal:
        callbacks.append(TQDMProgressBar())
    for key in ("ema", "early_stopping"):
        check(settings[key], int | float | None, f"trainer.{key}")
    if (decay := settings["ema"]) is not None:
        if not 0 < decay < 1:
            raise ConfigError(f"trainer.ema={decay} is a decay between 0 and 1, for example 0.999")
        # lerp, not a weighted sum: a tensor that does not move (a frozen backbone's) stays equal to the bit
        callbacks.append(WeightAveraging(multi_avg_fn=get_ema_multi_avg_fn(decay)))  # type: ignore[no-untyped-call]
    if (patience := settings["early_stopping"]) is not None:
        if not isinstance(patience, int) or patience < 1:
            raise ConfigError(f"trainer.early_stopping={patience} is a count of epochs, from 1")
        callbacks.append(
            EarlyStopping(MONITOR, mode="max", patience=patience, check_on_train_epoch_end=True)
        )
    keep: dict[str, Any] = {
        "dirpath": folder / "checkpoints", "save_on_train_epoch_end": True, "enable_version_counter": False,
    }  # fmt: skip
    callbacks.append(Checkpoint(filename="best", monitor=MONITOR, mode="max", **keep))
    # one of its own: save_last writes only in epochs that are also the best
    callbacks.append(Checkpoint(filename="last", monitor=None, **keep))
    callbacks += _pruned(settings["prune"], settings["max_epochs"], folder)
    return callbacks


def _pruned(settings: Mapping[str, Any], epochs: int, folder: Path) -> list[Callback]:
    """Return the callback that ``trainer.prune`` asks for, if it does."""
    for key, kind in (("after", int | None), ("jobs", int)):
        check(settings[key], kind, f"trainer.prune.{key}")
        if settings[key] is not None and settings[key] < 1:
            raise ConfigError(f"trainer.prune.{key}={settings[key]} is too small; it is at least 1")
    if settings["after"] is None:
        return []
    if settings["after"] >= epochs:
        raise ConfigError(
            f"trainer.prune.after={settings['after']} ends no job: it is less than trainer.max_epochs={epochs}"
        )
    sweep = find_sweep(folder)
    if sweep is None:
        raise ConfigError(
            f"trainer.prune.after={settings['after']}: this is no job of a sweep; trainer.prune.after=null"
        )
    return [MedianRule(folder, sweep, settings["after"], settings["jobs"])]
