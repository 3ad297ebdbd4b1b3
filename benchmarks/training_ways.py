"""Ways to train the same network on the same patches: the limit, pcam, and timm's train.py.

Each is a function of the setting that returns when its epochs make their steps.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import timm_scripts
from benchmarks.epoch_times import EpochTime
from benchmarks.timm_scripts import CommandFailed

REPOSITORY = Path(__file__).parents[1]
MODELS = {  # pcam's names of timm's networks
    "resnet50": ["model=resnet50"],
    "efficientnet_b0": ["model=efficientnet_b0"],
    "densenet201": ["model=timm", "model.name=densenet201"],
}


@dataclass(frozen=True)
class Setting:
    """What is trained.

    Attributes:
        folder: temporary; pcam's HDF5 files are in it, and timm's images in ``images``.
        model: timm's name of the network.
        size: side of its input, pixels.
        batch: patches per step.
        patches: per epoch.
        epochs: of each training.
        device: cuda or cpu.
        precision: fp32 or bf16.
        workers: of timm's loader.
        timm: checkout with train.py; None to leave timm out.
        options: further options of pcam.train.
        code: folder of the pcam that is measured.
    """

    folder: Path
    model: str
    size: int
    batch: int
    patches: int
    epochs: int
    device: str
    precision: str
    workers: int
    timm: Path | None
    options: tuple[str, ...]
    code: Path = REPOSITORY


@dataclass(frozen=True)
class Times:
    """What a training took.

    Attributes:
        epochs: of each epoch.
        before: seconds from the command to the end of the first step.
        whole: seconds of the command.
    """

    epochs: list[EpochTime]
    before: float
    whole: float


Way = Callable[[Setting], list[EpochTime]]


def run_way(way: Way, setting: Setting) -> Times:
    """Run a way and time it as a command."""
    start = time.time()
    epochs = way(setting)
    whole = time.time() - start
    return Times(epochs, epochs[0].first - start, whole)


def run_bare_loop(setting: Setting) -> list[EpochTime]:
    """Run the limit: ``benchmarks.bare_loop``."""
    options = {
        "root": setting.folder,
        "model": setting.model,
        "size": setting.size,
        "batch": setting.batch,
        "patches": setting.patches,
        "epochs": setting.epochs,
        "device": setting.device,
        "precision": setting.precision,
    }
    command = [sys.executable, "-m", "benchmarks.bare_loop"]
    command += [f"--{name}={value}" for name, value in options.items()]
    output = run_command(command, REPOSITORY)
    return _read_epochs(output.splitlines()[-1])


def run_pcam(setting: Setting, options: tuple[str, ...] = ()) -> list[EpochTime]:
    """Run ``pcam.train`` with the study's augmentation.

    Args:
        setting: what is trained.
        options: further options, after those of the setting.
    """
    times = setting.folder / "times.json"
    precision = {"fp32": "32-true", "bf16": "bf16-mixed"}[setting.precision]
    model = MODELS.get(setting.model, ["model=timm", f"model.name={setting.model}"])
    command = [
        *[sys.executable, "-m", "pcam.train", "plugins=[benchmarks.step_times]"],
        *[f"+callbacks.step_times.path={times}", "data=pcam", f"data.root={setting.folder}"],
        *model,
        *["model.weights=none", f"model.input_size={setting.size}", "aug=paper"],
        *[f"data.batch_size={setting.batch}", f"trainer.max_epochs={setting.epochs}"],
        *[f"trainer.accelerator={'gpu' if setting.device == 'cuda' else 'cpu'}"],
        *["trainer.devices=1", f"trainer.precision={precision}"],
        *[f"hydra.run.dir={setting.folder / 'runs' / str(time.time_ns())}"],
        *setting.options,
        *options,
    ]
    run_command(command, setting.code)
    return _read_epochs(times.read_text())


def run_timm(setting: Setting, options: tuple[str, ...] = ()) -> list[EpochTime]:
    """Run timm's train.py with its default augmentation.

    Args:
        setting: what is trained.
        options: further options of train.py.
    """
    assert setting.timm is not None
    command = [
        *["--data-dir", str(setting.folder / "images"), "--model", setting.model],
        *["--num-classes", "2", "--input-size", "3", str(setting.size), str(setting.size)],
        *["-b", str(setting.batch), "--epochs", str(setting.epochs)],
        *["--opt", "adam", "--lr", "5e-4", "--warmup-epochs", "0", "--device", setting.device],
        *["-j", str(setting.workers), "--output", str(setting.folder / "timm")],
        *options,
    ]
    if setting.precision == "bf16":
        command += ["--amp", "--amp-dtype", "bfloat16"]
    return timm_scripts.train(setting.timm / "train.py", command)


def _read_epochs(text: str) -> list[EpochTime]:
    return [EpochTime(**epoch) for epoch in json.loads(text)["epochs"]]


def run_command(command: list[str], code: Path) -> str:
    """Run a command and return its output.

    Raises:
        CommandFailed: it failed; the message has the end of its output.
    """
    path = os.pathsep.join([str(code), str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        command,
        cwd=code,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CommandFailed(command, done.stdout[-2000:] + done.stderr[-3000:])
    return done.stdout


COMPILED = ("--torchcompile", "--channels-last")

WAYS: Mapping[str, Way] = {
    "limit": run_bare_loop,
    "pcam": run_pcam,
    "timm": run_timm,
    "timm-compile": partial(run_timm, options=COMPILED),
    "timm-channels-last": partial(run_timm, options=("--channels-last",)),
}
