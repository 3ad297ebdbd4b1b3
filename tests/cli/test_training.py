"""A folder that another process writes into stays as it is."""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from pcam.runs.folder import last_checkpoint, write_config
from pcam.runs.lock import LOCK_NAME
from pcam.sweeps.failures import record_failure
from tests.conftest import SMALL, TINY, Terminal
from tests.forked import forked
from tests.run import composed
from tests.runs.locks import locked_elsewhere

QUICK = [*TINY, *SMALL, "trainer.max_epochs=1", "trainer.accelerator=cpu"]


def read_quickly(root: Path) -> list[str]:
    """Return a training on PatchCamelyon's files, for processes that would draw patches anew."""
    quick = ["data.batch_size=16", "trainer.max_epochs=1", "trainer.progress=false"]
    return [*TINY, *quick, "trainer.accelerator=cpu", "data=pcam", f"data.root={root}"]


def content(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder but the lock."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != LOCK_NAME]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize(
    ("words", "checkpoint"),
    [
        (["hydra.run.dir=run"], False),
        (["hydra.run.dir=run", "resume=auto"], False),
        (["hydra.run.dir=run", "resume=auto"], True),
        (["resume=run"], True),
    ],
)
def test_a_second_start_changes_nothing(
    words: list[str], checkpoint: bool, tmp_path: Path, terminal: Terminal
) -> None:
    run = tmp_path / "run"
    write_config(run, composed(*QUICK))
    if checkpoint:
        last_checkpoint(run).parent.mkdir()
        torch.save({}, last_checkpoint(run))
    before = content(run)
    with locked_elsewhere(run):
        (fault,) = terminal("train", *(words if "resume=run" in words else QUICK + words)).faults
        assert content(run) == before
    assert fault == (
        f"another process is writing into {run}; wait for it, or set another hydra.run.dir"
    )
    assert {path.name for path in tmp_path.iterdir()} <= {"run", "outputs"}
    assert not list(tmp_path.glob("outputs/*/*"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("evaluate", ["run=nowhere"]),
        ("predict", ["run=nowhere"]),
        ("attribute", ["run=nowhere"]),
        ("bias", ["run=nowhere"]),
        ("slide", ["run=nowhere", "slide=a.svs"]),
        ("compare", ["runs=[a,b]"]),
        ("ensemble", ["runs=[a,b]"]),
        ("report", ["runs=a"]),
        ("prepare", ["data=synthetic"]),
    ],
)
def test_no_command_writes_into_a_folder_in_use(
    name: str, words: list[str], tmp_path: Path, terminal: Terminal
) -> None:
    with locked_elsewhere(tmp_path / "results"):
        (fault,) = terminal(name, *words, "hydra.run.dir=results").faults
        assert content(tmp_path / "results") == {}
    assert fault.startswith(f"another process is writing into {tmp_path / 'results'}; wait for it")


def test_a_sweep_that_is_running_is_not_started_again(tmp_path: Path, terminal: Terminal) -> None:
    (tmp_path / "s" / "0").mkdir(parents=True)
    record_failure(tmp_path / "s" / "0", ValueError("before"), [])
    before = content(tmp_path / "s")
    with locked_elsewhere(tmp_path / "s"):
        (fault,) = terminal("train", "-m", *QUICK, "seed=0,1", "hydra.sweep.dir=s").faults
        assert content(tmp_path / "s") == before
    assert fault.endswith("s; wait for it, or set another hydra.sweep.dir")


@pytest.mark.slow
def test_a_job_that_is_running_is_not_recorded_as_failed(
    tmp_path: Path, terminal: Terminal
) -> None:
    """Jobs on a cluster live longer than the process that has submitted them."""
    write_config(tmp_path / "s" / "0", composed(*QUICK))
    before = content(tmp_path / "s" / "0")
    with locked_elsewhere(tmp_path / "s" / "0"):
        answer = terminal("train", "-m", *QUICK, "seed=0,1", "hydra.sweep.dir=s")
        assert content(tmp_path / "s" / "0") == before
    assert answer.status == 2
    assert "job 0 failed: another process is writing into " in answer.err
    assert (tmp_path / "s" / "1" / "summary.json").is_file()


# Links --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "link",
    [
        *(".config.yaml.part", ".metrics.csv.part", ".summary.json.part", "summary.json"),
        *("predictions", "figures", "checkpoints", "wandb", "figures/attribution/epoch-003.png"),
    ],
)
@pytest.mark.parametrize("command", ["resume", "evaluate"])
def test_nothing_is_written_through_a_link_of_somebody_else_s_folder(
    command: str, link: str, tmp_path: Path, terminal: Terminal
) -> None:
    run, victim = tmp_path / "run", tmp_path / "victim"
    victim.mkdir()
    if command == "resume":
        write_config(run, composed(*QUICK))
        if link != "checkpoints":
            last_checkpoint(run).parent.mkdir()
            torch.save({}, last_checkpoint(run))
    (run / link).parent.mkdir(parents=True, exist_ok=True)
    (run / link).symlink_to(victim)
    words = ["resume=auto", *QUICK] if command == "resume" else ["run=nowhere"]
    name = "train" if command == "resume" else command
    (fault,) = terminal(name, *words, "hydra.run.dir=run").faults
    assert fault == (
        f"{run / link} is a link, and results are not written through one; "
        "remove it, or set another hydra.run.dir"
    )
    assert not list(victim.iterdir())


def test_a_run_folder_may_be_a_link_of_one_s_own(tmp_path: Path, terminal: Terminal) -> None:
    (tmp_path / "disk" / "wandb").mkdir(parents=True)
    (tmp_path / "disk" / "wandb" / "latest-run").symlink_to(tmp_path)  # W&B makes it
    (tmp_path / "run").symlink_to("disk")
    answer = terminal("train", *QUICK, "hydra.run.dir=run")
    assert answer.status == 0, answer.err
    assert (tmp_path / "disk" / "summary.json").is_file()


# The screen ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("redirection", ["| head -n 3", ">&-", ">&- 2>&-", "> /dev/full 2>&1"])
def test_a_training_goes_on_without_its_screen(
    redirection: str, pcam_root: Path, tmp_path: Path
) -> None:
    words = " ".join(read_quickly(pcam_root))
    line = f"{sys.executable} -m pcam.train {words} hydra.run.dir=run {redirection}"
    answer = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert (answer.returncode, answer.stderr) == (0, "")
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["epochs"] == 1


# Two processes ------------------------------------------------------------------------------------


WAITING = """
import time
from pathlib import Path

from lightning import Callback

from pcam import register_callback


class Waiting(Callback):
    def on_train_start(self, trainer, pl_module):
        Path("waiting").touch()
        while not Path("go").exists():
            time.sleep(0.1)


@register_callback("waiting")
def waiting(settings, config, folder):
    return Waiting()
"""


def wait_for(path: Path) -> None:
    end = time.monotonic() + 900
    while not path.exists():
        assert time.monotonic() < end, f"{path} does not appear"
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "run"),
    [
        (["hydra.run.dir=run", "resume=auto"], "run"),
        (["-m", "seed=0,1", "hydra.sweep.dir=sweep"], "sweep/0"),
    ],
)
def test_a_command_that_is_typed_twice_loses_nothing(
    words: list[str], run: str, tmp_path: Path
) -> None:
    """Seconds apart, before the first has a checkpoint."""
    (tmp_path / "waiting_plugin.py").write_text(WAITING)
    typed = [*QUICK, "plugins=[waiting_plugin]", "callbacks.waiting={}", *words]
    with ThreadPoolExecutor() as pool:
        running = pool.submit(forked, "pcam.train", *typed, cwd=tmp_path, timeout=900)
        wait_for(tmp_path / "waiting")
        second = forked("pcam.train", *typed, cwd=tmp_path, timeout=900)
        (tmp_path / "go").touch()
        first = running.result()
    assert second.returncode == 2, second.stderr
    assert second.stderr.startswith("error: another process is writing into ")
    assert len(second.stderr.splitlines()) == 1
    assert first.returncode == 0, first.stderr
    assert (tmp_path / run / "config.yaml").is_file()
    assert json.loads((tmp_path / run / "summary.json").read_text())["epochs"] == 1
    assert not list(tmp_path.rglob("failure.json"))
    assert not list(tmp_path.rglob(LOCK_NAME))
