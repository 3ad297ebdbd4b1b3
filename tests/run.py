"""One training in this process, from a composed config, without Hydra's command line."""

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir

from pcam import CONF
from pcam.cli.config import plain
from pcam.config.schema import TrainConfig
from pcam.config.validation import validate
from pcam.models.classifier import PatchClassifier
from pcam.runs.folder import start_run
from pcam.runs.summary import SUMMARY_METRICS


def composed_values(*overrides: str, command: str = "train") -> dict[str, Any]:
    """Return what Hydra composes for a command line, as plain values, without checking them."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return plain(compose(command, list(overrides)))


def composed(*overrides: str) -> TrainConfig:
    """Return the config of a training's command line."""
    return validate(TrainConfig, composed_values(*overrides))


def train(
    folder: Path, *overrides: str, resume: bool = False, curves: bool = False
) -> dict[str, Any]:
    """Train, and return what summary.json holds.

    Args:
        folder: the run's.
        overrides: a command line.
        resume: go on from the folder's last checkpoint.
        curves: draw the figure of the training; else it is an empty file, which takes no time.
    """
    from pcam.training.fit import train as run

    config = composed(*overrides)
    if not resume:
        start_run(folder, config)
    with pytest.MonkeyPatch.context() as patch:
        if not curves:
            patch.setattr("pcam.training.results.plot_curves", lambda *_: b"")
        return run(config, folder, resume)


def summary_with(valid: float, test: float | None = None, **rest: Any) -> dict[str, Any]:
    """Return a summary.json as a training leaves it, with these AUROCs."""
    bounds = ("value", "low", "high")
    aurocs = {"valid": valid} if test is None else {"valid": valid, "test": test}
    summary: dict[str, Any] = {
        split: {metric: dict.fromkeys(bounds, auroc) for metric in SUMMARY_METRICS}
        for split, auroc in aurocs.items()
    }
    data = {"patches": 2, "positive": 1, "sha256": "0" * 64}
    summary |= {
        "weights": {"origin": "random"},
        "epochs": 1,
        "versions": {},
        "device": "cpu",
        "precision": "32-true",
        "commit": None,
        "data": dict.fromkeys(aurocs, data),
    }
    return {**summary, **rest}


class Killed(BaseException):
    """Stands for a kill: no handler of the code under test may catch it."""


def killed_after(
    monkeypatch: pytest.MonkeyPatch, epochs: int, folder: Path, *overrides: str
) -> None:
    """Start a run and end it abruptly in the middle of an epoch."""
    step = PatchClassifier.training_step

    def dying(
        self: PatchClassifier, batch: dict[str, torch.Tensor], batch_idx: int
    ) -> torch.Tensor:
        if self.current_epoch == epochs and batch_idx == 2:
            raise Killed
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(PatchClassifier, "training_step", dying)
        with pytest.raises(Killed):
            train(folder, *overrides)


def run_command(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, *words: str) -> None:
    """Run a command line in a folder, in this process, which saves the time of the imports."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", [f"pcam.{name}", *words])
    importlib.import_module(f"pcam.{name}").main()
