"""The median rule: a job of a sweep that is worse than half of those before it ends early.

Golovin et al. 2017 (Vizier), section 3.2.1, with the best figure so far on both sides: a job ends after an epoch if its best
valid AUROC up to then is below the median, over the sweep's jobs that ran to their end, of theirs up to that epoch.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from lightning import Callback, LightningModule, Trainer

from pcam.callbacks import MONITOR, read_rows
from pcam.errors import ConfigError
from pcam.sweeps import around
from pcam.tables import check


class MedianRule(Callback):
    """Ends a training by the median rule.

    Args:
        folder: the job's.
        sweep: the sweep's.
        after: how many epochs every job is given.
        jobs: how many others must have run to their end.

    Attributes:
        verdict: why the training ended: epoch (from 0), auroc, median and jobs; None where it did not. It is kept in
            checkpoints, so that a job which is resumed after it stays ended.
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
        epoch = trainer.current_epoch
        found = self._judged(epoch) if trainer.is_global_zero and self.after <= epoch + 1 < (trainer.max_epochs or 0) else None
        self.verdict = trainer.strategy.broadcast(found)
        if self.verdict is not None:
            trainer.should_stop = True
            if trainer.is_global_zero:
                print(f"pruned {told(self.verdict)}", flush=True)

    def _judged(self, epoch: int) -> dict[str, Any] | None:
        others = []
        for path in self.sweep.rglob("summary.json"):
            if path.parent != self.folder and json.loads(path.read_text()).get("pruned") is None:
                others.append(best(path.parent, epoch))
        known = [figure for figure in others if figure is not None]
        own = best(self.folder, epoch)
        if own is None or len(known) < self.jobs or own >= median(known):
            return None
        return {"epoch": epoch, "auroc": own, "median": median(known), "jobs": len(known)}


def told(verdict: Mapping[str, Any]) -> str:
    """Return a verdict in words."""
    below = f"{verdict['auroc']:.4f} is below {verdict['median']:.4f}, the median of {verdict['jobs']} jobs"
    return f"after epoch {verdict['epoch'] + 1}: valid AUROC {below}"


def best(folder: Path, epoch: int) -> float | None:
    """Return the best valid AUROC of a run up to an epoch; None where it did not get so far."""
    rows = [row for row in read_rows(folder / "metrics.csv") if int(row["epoch"]) <= epoch]
    figures = [float(row[MONITOR]) for row in rows if row.get(MONITOR)]
    known = [figure for figure in figures if figure == figure]
    return max(known) if known and int(rows[-1]["epoch"]) == epoch else None


def pruned(settings: Mapping[str, Any], folder: Path) -> list[Callback]:
    """Return the callback that the config's ``trainer.prune`` asks for, if it does.

    Raises:
        ConfigError: a setting is out of range, or the run is no job of a sweep.
    """
    for key, kind in (("after", int | None), ("jobs", int)):
        check(settings[key], kind, f"trainer.prune.{key}")
        if settings[key] is not None and settings[key] < 1:
            raise ConfigError(f"trainer.prune.{key}={settings[key]} is too small; it is at least 1")
    if settings["after"] is None:
        return []
    sweep = around(folder)
    if sweep is None:
        raise ConfigError(f"trainer.prune.after={settings['after']}: this is no job of a sweep; trainer.prune.after=null")
    return [MedianRule(folder, sweep, settings["after"], settings["jobs"])]
