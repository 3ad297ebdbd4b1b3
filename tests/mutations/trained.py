"""A small run, trained once per process, which the kinds below take apart."""

import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

TINY = ("model=timm", "model.name=test_resnet", "model.weights=none", "model.input_size=32")
SMALL = (
    "data.train=48",
    "data.valid=16",
    "data.test=24",
    "data.batch_size=16",
    "data.patches_per_epoch=null",
)
QUICK = ("trainer.max_epochs=1", "trainer.accelerator=cpu", "trainer.progress=false")


GIVEN = "PCAM_MUTATED_RUN"  # names a run folder, to save the time of the training


@cache
def _trained() -> tuple[tempfile.TemporaryDirectory[str], Path]:
    """Train in a process of its own: a training leaves threads, which do not survive a fork."""
    scratch = tempfile.TemporaryDirectory()
    if GIVEN in os.environ:
        return scratch, Path(os.environ[GIVEN])
    folder = Path(scratch.name, "run")
    command = [sys.executable, "-m", "pcam.train", "splits=random", f"hydra.run.dir={folder}"]
    subprocess.run([*command, *TINY, *SMALL, *QUICK], check=True, capture_output=True)
    return scratch, folder


def copy_run(target: Path) -> None:
    """Copy the run, without what a mutation of it would not reach."""
    ignored = shutil.ignore_patterns("figures", "last.ckpt", "previous.ckpt")
    shutil.copytree(trained_run(), target, dirs_exist_ok=True, ignore=ignored)


def trained_run() -> Path:
    """Return the run's folder."""
    return _trained()[1]
