"""A plug-in of pcam that writes when the epochs of a training make their steps.

python -m pcam.train plugins=[benchmarks.step_times] +callbacks.step_times.path=FILE

The device is waited for after the first and after the last step of an epoch, nowhere else.
"""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer

from benchmarks.epoch_times import EpochTime
from benchmarks.machine import own_memory, synchronize
from pcam import register_callback
from pcam.config.base import Section
from pcam.config.schema import TrainConfig

IMPORTED = time.time()  # Hydra has composed the config; torch and lightning are imported


class StepTimesConfig(Section):
    """Where the times are written.

    Attributes:
        path: of the JSON file.
    """

    path: str


class StepTimes(Callback):
    """Writes the times of each epoch's first and last step.

    Args:
        path: of the JSON file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.built = time.time()
        self.started = 0.0
        self.first = 0.0
        self.memory = 0.0
        self.epochs: list[EpochTime] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note when everything is ready."""
        self.started = time.time()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the time of an epoch's first and last step."""
        last = int(trainer.num_training_batches) - 1
        if batch_idx not in (0, last):
            return
        synchronize(pl_module.device)
        if batch_idx == 0:
            self.first = time.time()
        if batch_idx == last:
            self.epochs.append(EpochTime(self.first, time.time(), last + 1))
            self.memory = max(self.memory, own_memory())

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file."""
        times = {"imported": IMPORTED, "built": self.built, "started": self.started}
        epochs = [asdict(epoch) for epoch in self.epochs]
        self.path.write_text(json.dumps({**times, "memory": self.memory, "epochs": epochs}))


@register_callback("step_times", config=StepTimesConfig)
def step_times(settings: StepTimesConfig, config: TrainConfig, folder: Path) -> Callback:
    """Return the callback."""
    return StepTimes(Path(settings.path))
