"""Kills trainings, resumes them, and compares them with uninterrupted ones, to the bit.

    python -m tests.kill                       # 60 kills; ends with status 1 if a run is unequal
    python -m tests.kill --kills 6 --seed 1
    python -m tests.kill --break position      # shows that a broken rule is noticed

Each training is a process of its own, forked when all is imported, and gets a SIGKILL, which no
code can catch: at a random step, while a checkpoint is written (TMPDIR on another file system),
while the end is scored, or at any time. The moments follow from the seed, as far as a clock can.
"""

import argparse
import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", CUDA_VISIBLE_DEVICES="", NO_ALBUMENTATIONS_UPDATE="1")

import torch

from pcam.config.schema import TrainConfig
from pcam.runs.checkpoints import existing_checkpoints, is_whole, resumable_checkpoint
from pcam.runs.files import read_metrics
from pcam.runs.folder import start_run
from pcam.training import fit
from tests import kill_aim
from tests.conftest import SMALL, TINY
from tests.run import composed

EPOCHS, STEPS = 3, 6
WORDS = [*TINY, *SMALL, "data.valid=32", "data.test=32", f"trainer.max_epochs={EPOCHS}"]
WORDS += ["trainer=cpu", "model.head.dropout=0.5"]
FLAT = ["optimizer.lr=0", "optimizer.head_lr=0", "finetune.batchnorm=kept"]
UNFREEZE = ["finetune=frozen_then_unfrozen", "finetune.unfreeze_epoch=1"]
COMBINATIONS: dict[str, list[str]] = {
    "plain": [],
    "1 worker": ["data.num_workers=1"],
    "2 workers": ["data.num_workers=2", "aug=keras"],
    "unfreeze, plateau": [*UNFREEZE, "scheduler=plateau", "scheduler.patience=0"],
    "moving average": ["trainer.ema=0.9", *UNFREEZE],
    "accumulation": ["trainer.accumulate_grad_batches=2"],
    "resident": ["data.resident=true", "aug=paper", "aug.batched=true", "crop=random"],
    "paper's aug": ["aug=paper", "crop=random", "crop.size=64"],
    "two processes": ["trainer.devices=2", "trainer.ema=0.9"],
    "early stopping": ["trainer.early_stopping=1", "trainer.max_epochs=6", *FLAT],
}
COMBINATIONS["resident"] += ["crop.size=64"]
# Two rounds of kills: what is trained, and at what the kill is aimed.
ROUNDS = [
    ("plain", "save"),
    ("1 worker", "step"),
    ("unfreeze, plateau", "step"),
    ("two processes", "step"),
    ("moving average", "save"),
    ("early stopping", "score"),
    ("accumulation", "step"),
    ("resident", "step"),
    ("paper's aug", "save"),
    ("2 workers", "step"),
    ("unfreeze, plateau", "save"),
    ("plain", "start"),
    ("moving average", "step"),
    ("2 workers", "save"),
    ("accumulation", "save"),
    ("1 worker", "step"),
    ("two processes", "save"),
    ("early stopping", "save"),
    ("resident", "save"),
    ("paper's aug", "step"),
    ("two processes", "step"),
    ("early stopping", "score"),
    ("plain", "step"),
    ("unfreeze, plateau", "step"),
]
FINISHED_RUN = 2.0  # seconds, about: the longest delay after a start
LIMIT = 600  # seconds for a training


@dataclass(frozen=True)
class Aim:
    """When a training is killed: a while after a call of something has started."""

    at: str
    after: int
    delay: float


@dataclass
class Trial:
    """A training that is killed and resumed.

    Attributes:
        number: of it.
        combination: what is trained.
        aim: the kill's.
        steps: between checkpoints.
        workers: when it is resumed; None for as many as before.
        faults: what is unequal.
        mid_epoch: whether it was resumed from a checkpoint inside of an epoch.
    """

    number: int
    combination: str
    aim: Aim
    steps: int
    workers: int | None
    faults: list[str] = field(default_factory=list)
    mid_epoch: bool = False


def draw_trial(number: int, seed: int) -> Trial:
    """Return a trial: the combination by its number, the moment by the seed."""
    draws = random.Random(f"{seed} {number}")
    combination, at = ROUNDS[number % len(ROUNDS)]
    steps = draws.randint(1, 3)
    workers = draws.choice([0, 1, 2]) if "worker" in combination else None
    epochs = 2 if combination == "early stopping" else EPOCHS
    per_epoch = STEPS // 2 if combination == "two processes" else STEPS
    after = draws.randrange(1, epochs * per_epoch) if at == "step" else 0
    longest = {"start": FINISHED_RUN, "step": 0.05, "save": 0.08, "score": 0.5}[at]
    if at == "save":
        after = draws.randrange(1, 2 * epochs)
    return Trial(number, combination, Aim(at, after, draws.uniform(0, longest)), steps, workers)


def forked(work: Callable[[], None], environment: dict[str, str]) -> int:
    """Do work in a process of its own, with its own group; return its exit status."""
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        status = 1
        try:
            os.setsid()
            os.environ.update(environment)
            if kill_aim.BROKEN in environment:
                kill_aim.break_rule(environment[kill_aim.BROKEN])
            if kill_aim.AIM in environment and "PCAM_PLUGINS" not in environment:
                kill_aim.take_aim(**json.loads(environment[kill_aim.AIM]))
            work()
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(status)
    return wait(process)


def wait(process: int) -> int:
    """Return a process's exit status; negative for a signal."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.killpg(process, signal.SIGKILL)
    os.waitpid(process, 0)
    raise SystemExit(f"a training took more than {LIMIT} seconds")


def train(config: TrainConfig, folder: Path, environment: dict[str, str]) -> int:
    """Train a run, or go on with it, as ``resume=auto`` does; return the exit status."""

    def work() -> None:
        resume = resumable_checkpoint(folder) is not None
        if not resume:
            start_run(folder, config, restart=True)
        fit.train(config, folder, resume)

    return forked(work, environment)


def changed(config: TrainConfig, **sections: dict[str, object]) -> TrainConfig:
    """Return a config with other values of some keys."""
    update = {}
    for name, values in sections.items():
        update[name] = getattr(config, name).model_copy(update=values)
    return config.model_copy(update=update)


def run_trial(trial: Trial, whole: Path, folder: Path, tmpdir: Path, broken: str | None) -> None:
    """Kill a training, resume it, and compare it with the uninterrupted one."""
    config = composed(*WORDS, *COMBINATIONS[trial.combination])
    config = changed(config, trainer={"checkpoint_steps": trial.steps})
    environment = {"TMPDIR": str(tmpdir)}
    if broken is not None:
        environment |= {kill_aim.BROKEN: broken}
    aim, killed = trial.aim, False
    while not killed:
        shutil.rmtree(folder, ignore_errors=True)
        values = {"at": aim.at, "after": aim.after, "delay": aim.delay}
        aimed = {**environment, kill_aim.AIM: json.dumps(values)}
        if trial.combination == "two processes":
            aimed |= {"PCAM_PLUGINS": "tests.kill_aim"}
        killed = train(config, folder, aimed) == -signal.SIGKILL
        aim = Aim(aim.at, aim.after // 2, aim.delay / 2)  # it had ended before
    checkpoint = resumable_checkpoint(folder)
    trial.mid_epoch = checkpoint is not None and "epoch_position" in read(checkpoint)
    if trial.workers is not None:
        config = changed(config, data={"num_workers": trial.workers})
    if broken is not None and trial.combination == "two processes":
        environment |= {"PCAM_PLUGINS": "tests.kill_aim"}
    torn = [path.name for path in existing_checkpoints(folder) if not is_whole(path)]
    status = train(config, folder, environment)
    trial.faults = [f"exit status {status}"] if status else differences(folder, whole)
    trial.faults += [f"{name} was torn by the kill" for name in torn]


def read(path: Path) -> dict[str, object]:
    """Return the content of a checkpoint."""
    content: dict[str, object] = torch.load(path, map_location="cpu", weights_only=True)
    return content


def differences(folder: Path, whole: Path) -> list[str]:
    """Return what differs between two finished runs."""
    faults = []
    for name in ("last.ckpt", "best.ckpt"):
        one, other = (read(run / "checkpoints" / name) for run in (folder, whole))
        for key in ("state_dict", "current_model_state", "optimizer_states", "lr_schedulers"):
            if not equal(one.get(key), other.get(key)):
                faults.append(f"{name}: {key}")
    if rows(folder) != rows(whole):
        faults.append("metrics.csv")
    for path in sorted((whole / "predictions").iterdir()):
        if path.read_bytes() != (folder / "predictions" / path.name).read_bytes():
            faults.append(f"predictions/{path.name}")
    if not (folder / "summary.json").is_file():
        faults.append("no summary.json")
    if list(folder.rglob("*.part")):
        faults.append("temporary files are left")
    return faults


def equal(one: object, other: object) -> bool:
    """Return whether two values of checkpoints are equal to the bit."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return one == other


def rows(folder: Path) -> list[dict[str, str]]:
    """Return metrics.csv without the column of seconds."""
    lines = read_metrics(folder / "metrics.csv")
    return [{key: value for key, value in row.items() if key != "seconds"} for row in lines]


def format_table(trials: list[Trial]) -> str:
    """Return the counts of each combination, and of each kind of aim."""
    lines = [f"{'':24}{'kills':>8}{'mid-epoch':>11}{'equal':>8}"]
    for name in COMBINATIONS:
        chosen = [trial for trial in trials if trial.combination == name]
        lines.append(_row(name, chosen))
    lines.append("")
    for at in Counter(trial.aim.at for trial in trials):
        lines.append(_row(f"aimed at: {at}", [trial for trial in trials if trial.aim.at == at]))
    lines += ["", _row("all", trials)]
    return "\n".join(lines)


def _row(name: str, trials: list[Trial]) -> str:
    inside = sum(trial.mid_epoch for trial in trials)
    good = sum(not trial.faults for trial in trials)
    return f"{name:24}{len(trials):8}{inside:11}{good:8}"


def main() -> int:
    """Run the trials; return 1 if one is unequal."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first kill")
    parser.add_argument("--break", dest="broken", help="a rule: see tests/kill_aim.py")
    options = parser.parse_args()
    importlib.import_module("albumentations")
    trials: list[Trial] = []
    with tempfile.TemporaryDirectory() as text, other_file_system(Path(text)) as other:
        # What a training imports is imported once, here, not in each process that is forked
        warm = composed(*WORDS, "trainer.max_epochs=1")
        start_run(Path(text) / "warm", warm)
        fit.train(warm, Path(text) / "warm", resume=False)
        for number in range(options.first, options.first + options.kills):
            trial = draw_trial(number, options.seed)
            whole = Path(text) / trial.combination.replace(" ", "-")
            if not whole.is_dir():
                config = composed(*WORDS, *COMBINATIONS[trial.combination])
                if status := train(config, whole, {}):
                    raise SystemExit(f"{trial.combination}: exit status {status}")
            folder = Path(text) / "killed"
            run_trial(trial, whole, folder, Path(other), options.broken)
            aim = trial.aim
            result = "; ".join(trial.faults) or "equal"
            moment = f"{aim.at} {aim.after} + {1000 * aim.delay:.0f} ms"
            print(f"{number:3} {trial.combination:20} {moment:22} {result}", flush=True)
            trials.append(trial)
    print(f"\n{format_table(trials)}")
    return int(any(trial.faults for trial in trials))


def other_file_system(folder: Path) -> tempfile.TemporaryDirectory[str]:
    """Return a temporary folder on another file system than a folder, if there is one."""
    shared = Path("/dev/shm")
    if shared.is_dir() and shared.stat().st_dev != folder.stat().st_dev:
        return tempfile.TemporaryDirectory(dir=shared)
    print("no other file system was found for TMPDIR", file=sys.stderr)
    return tempfile.TemporaryDirectory()


if __name__ == "__main__":
    sys.exit(main())
