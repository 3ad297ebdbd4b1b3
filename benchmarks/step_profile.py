"""A plug-in of pcam that counts what the host and the device do in a training's steps.

python -m pcam.train plugins=[benchmarks.step_profile] +callbacks.step_profile.path=FILE

Per step, over some steps of the first epoch: operators that the host calls, operators that wait for
the device, kernels and copies, and the share of the time in which the device is busy.
"""

import json
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmarks.machine import synchronize
from pcam import register_callback
from pcam.config.base import Section
from pcam.config.schema import TrainConfig

WAITING = (  # operators and calls that wait for the device
    "aten::_local_scalar_dense",
    "aten::nonzero",
    "aten::is_nonzero",
    "cudaStreamSynchronize",
    "cudaDeviceSynchronize",
    "cudaEventSynchronize",
)
LAUNCHES = ("cudaLaunchKernel", "cudaLaunchKernelExC", "cuLaunchKernel", "cudaGraphLaunch")
LISTED = 12


class StepProfileConfig(Section):
    """What is profiled.

    Attributes:
        path: of the JSON file.
        first: the first step that is profiled.
        steps: how many are.
        epoch: in which epoch.
    """

    path: str
    first: int = 20
    steps: int = 20
    epoch: int = 0


class StepProfile(Callback):
    """Profiles some steps and writes what it counted."""

    def __init__(self, settings: StepProfileConfig) -> None:
        self.settings = settings
        self.profiler: profile | None = None
        self.start = 0.0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Start after the step before the first, and stop after the last."""
        if trainer.current_epoch != self.settings.epoch:
            return
        if batch_idx == self.settings.first - 1:
            self._start(pl_module.device)
        if batch_idx == self.settings.first + self.settings.steps - 1 and self.profiler is not None:
            self._stop(pl_module.device)

    def _start(self, device: torch.device) -> None:
        activities = [ProfilerActivity.CPU]
        if device.type == "cuda":
            activities.append(ProfilerActivity.CUDA)
        self.profiler = profile(activities=activities)
        synchronize(device)
        self.profiler.__enter__()
        self.start = time.perf_counter()

    def _stop(self, device: torch.device) -> None:
        assert self.profiler is not None
        synchronize(device)
        seconds = time.perf_counter() - self.start
        self.profiler.__exit__(None, None, None)
        found = count_events(self.profiler.events() or [], self.settings.steps, seconds)
        Path(self.settings.path).write_text(json.dumps(found, indent=1))
        self.profiler = None


def count_events(events: Iterable[Any], steps: int, seconds: float) -> dict[str, object]:
    """Return what a profile counts, per step.

    Args:
        events: of the torch profiler.
        steps: how many steps were profiled.
        seconds: that they took, the profiler's own cost included.
    """
    host: Counter[str] = Counter()
    device: Counter[str] = Counter()
    spans = []
    for event in events:
        if event.device_type == DeviceType.CPU:
            host[event.name] += 1
        else:
            span = (event.time_range.start, event.time_range.end)
            spans.append(span)
            device[event.name[:80]] += span[1] - span[0]
    operators = sum(count for name, count in host.items() if name.startswith("aten::"))
    return {
        "ms": 1000 * seconds / steps,
        "operators": operators / steps,
        "waits": {name: host[name] / steps for name in WAITING if host[name]},
        "launches": sum(host[name] for name in LAUNCHES) / steps,
        "device events": len(spans) / steps,
        "device busy": busy_time(spans) / 1e6 / seconds,
        "device ms by kernel": {
            name: duration / 1000 / steps for name, duration in device.most_common(LISTED)
        },
        "host calls": {name: count / steps for name, count in host.most_common(LISTED)},
    }


def busy_time(spans: Iterable[tuple[float, float]]) -> float:
    """Return how long at least one of several spans lasted."""
    busy, end = 0.0, float("-inf")
    for start, stop in sorted(spans):
        busy += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return busy


@register_callback("step_profile", config=StepProfileConfig)
def step_profile(settings: StepProfileConfig, config: TrainConfig, folder: Path) -> Callback:
    """Return the callback."""
    return StepProfile(settings)
