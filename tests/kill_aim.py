"""Kills the process that imports it, at the moment that the environment names (``tests.kill``).

It is a plugin, so that it is also imported by processes that train together. What is killed is the
whole group of processes: the training, those that train along and those that read patches.
"""

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

AIM = "KILL_AIM"  # {"at": start, step, save or score; "after": calls before it; "delay": seconds}
BROKEN = "KILL_BROKEN"  # name of a rule that is broken on purpose


def kill_later(delay: float) -> None:
    """Kill the group of processes in a while."""

    def kill() -> None:
        time.sleep(delay)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()


def killed_in(function: Callable[..., Any], after: int, delay: float) -> Callable[..., Any]:
    """Return a function that is killed a while after one of its calls has started."""
    calls = 0

    def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        if calls == after:
            kill_later(delay)
        calls += 1
        return function(*arguments, **named)

    return counted


def take_aim(at: str, after: int, delay: float) -> None:
    """Count the calls of what is aimed at, in the first of several processes."""
    from pcam.models.classifier import PatchClassifier
    from pcam.training import fit
    from pcam.training.checkpoint_file import CheckpointFile

    if os.environ.get("LOCAL_RANK", "0") != "0":
        return
    owners: dict[str, tuple[Any, str]] = {
        "start": (fit, "prepare"),
        "step": (PatchClassifier, "training_step"),
        "save": (CheckpointFile, "save_checkpoint"),
        "score": (fit, "score"),
    }
    owner, name = owners[at]
    setattr(owner, name, killed_in(getattr(owner, name), after, delay))


def break_rule(name: str) -> None:
    """Break one of the rules that exact resuming rests on."""
    from pcam.data.datamodule import PatchDataModule
    from pcam.models.epoch_means import EpochMeans
    from pcam.training.epochs import FreezeBackbone

    if name == "position":  # an epoch goes on with its first batch
        PatchDataModule.first_batch = lambda self: 0
    elif name == "means":  # an epoch's means are those of its rest
        EpochMeans.restore = lambda self, state, rank: None
    elif name == "freezing":  # the rest of an epoch trains what was frozen
        FreezeBackbone.on_train_start = lambda self, trainer, pl_module: None
    elif name == "writing":  # a checkpoint is written over the one before
        write_in_place()
    else:
        raise SystemExit(f"no such rule: {name}")


def write_in_place() -> None:
    """Write checkpoints over those before, without a copy, and as slowly as to a busy disk."""
    import io

    import torch

    from pcam.training.checkpoint_file import CheckpointFile

    def save(self: CheckpointFile, checkpoint: Any, path: Any, storage_options: Any = None) -> None:
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        content = buffer.getvalue()
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            for start in range(0, len(content), 1 << 16):
                file.write(content[start : start + (1 << 16)])
                file.flush()
                time.sleep(0.002)

    CheckpointFile.save_checkpoint = save


if BROKEN in os.environ:
    break_rule(os.environ[BROKEN])
if AIM in os.environ:
    take_aim(**json.loads(os.environ[AIM]))
