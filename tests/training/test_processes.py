"""Groups of processes: which one this is, and that they find what one process finds."""

import logging
import os
import signal
import threading
import time
from pathlib import Path

import pytest
import torch

from pcam.config.sections import TrainerConfig
from pcam.errors import ConfigError, PcamError
from pcam.training.processes import ProcessGroup, launch_processes, node_rank, process_group
from pcam.training.signals import stop_on_signals
from tests.run import composed

PAIR = ProcessGroup(2, 1, 0, "127.0.0.1", 0)
ADDRESS = {"MASTER_ADDR": "node0", "MASTER_PORT": "29500"}


@pytest.fixture(scope="module")
def two_nodes() -> TrainerConfig:
    return composed("trainer.num_nodes=2").trainer


def test_the_group_of_a_node(two_nodes: TrainerConfig) -> None:
    group = process_group(two_nodes, 4, {**ADDRESS, "NODE_RANK": "1"})
    assert group == ProcessGroup(4, 2, 1, "node0", 29500)
    assert group.size == 8


def test_slurm_s_variables_are_understood(two_nodes: TrainerConfig) -> None:
    slurm = {"SLURM_JOB_NODELIST": "n[3-4]", "SLURM_JOB_ID": "12345", "SLURM_NODEID": "1"}
    assert process_group(two_nodes, 1, slurm) == ProcessGroup(1, 2, 1, "n3", 15345)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "MASTER_ADDR= and MASTER_PORT= in the environment"),
        ({**ADDRESS, "MASTER_PORT": "x"}, "MASTER_PORT=x"),
        (ADDRESS, "NODE_RANK= in the environment must be from 0 to 1"),
        ({**ADDRESS, "NODE_RANK": "2"}, "NODE_RANK=2"),
    ],
)
def test_what_the_environment_lacks_is_named(
    environment: dict[str, str], message: str, two_nodes: TrainerConfig
) -> None:
    with pytest.raises(ConfigError, match=message):
        process_group(two_nodes, 1, environment)


def test_a_single_node_needs_no_environment() -> None:
    config = composed().trainer
    assert node_rank(config, {"NODE_RANK": "7"}) == 0
    assert process_group(config, 1, {}) == ProcessGroup(1, 1, 0, "127.0.0.1", 0)
    assert process_group(config, 2, {}).port > 0


def write_rank(folder: Path) -> None:
    rank = os.environ["LOCAL_RANK"]
    level = logging.getLogger("pcam").level
    (folder / rank).write_text(f"{os.environ['WORLD_SIZE']} {level}")


def fail(message: str) -> None:
    if os.environ["LOCAL_RANK"] == "1":
        raise PcamError(message)


@pytest.mark.slow
@pytest.mark.usefixtures("forked_group")
def test_each_process_knows_its_rank_and_only_the_first_logs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("pcam"), "level", logging.INFO)
    launch_processes(PAIR, write_rank, tmp_path)
    assert (tmp_path / "0").read_text() == f"2 {logging.INFO}"
    assert (tmp_path / "1").read_text() == f"2 {logging.WARNING}"


@pytest.mark.slow
@pytest.mark.usefixtures("forked_group")
def test_a_failure_in_one_process_is_raised_here() -> None:
    with pytest.raises(PcamError, match="the message of a process"):
        launch_processes(PAIR, fail, "the message of a process")


def stop_on_signal(folder: Path) -> None:
    with stop_on_signals() as stop:
        stop.deferred = True
        (folder / os.environ["LOCAL_RANK"]).touch()
        while stop.signal is None:
            time.sleep(0.01)
        raise SystemExit(stop.status)


@pytest.mark.slow
@pytest.mark.usefixtures("forked_group")
def test_a_signal_is_handed_on_and_its_status_returned(tmp_path: Path) -> None:
    def send() -> None:
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=send, daemon=True).start()
    with pytest.raises(SystemExit) as ended:
        launch_processes(PAIR, stop_on_signal, tmp_path)
    assert ended.value.code == 75


@pytest.mark.slow
@pytest.mark.usefixtures("forked_group")
def test_trap_two_processes_score_each_patch_once(tmp_path: Path) -> None:
    from pcam.runs.files import read_metrics
    from pcam.training.fit import train as fit
    from tests.run import train
    from tests.training.runs import NO_LEARNING, STUDY

    odd = [*STUDY, "data.valid=33", "data.test=31", *NO_LEARNING, "trainer.max_epochs=1"]
    train(tmp_path / "one", *odd)
    config = composed(*odd, "trainer=ddp", "trainer.accelerator=cpu")
    from pcam.runs.folder import start_run

    start_run(tmp_path / "two", config)
    summary = fit(config, tmp_path / "two", resume=False)
    assert summary["processes"] == 2
    for split in ("valid", "test"):
        one, two = (
            (tmp_path / name / "predictions" / f"{split}.csv").read_text().splitlines()
            for name in ("one", "two")
        )
        assert [row.split(",")[0] for row in one] == [row.split(",")[0] for row in two]
        values = [[float(row.split(",")[2]) for row in rows[1:]] for rows in (one, two)]
        assert values[0] == pytest.approx(values[1], abs=1e-6)
    one, two = (read_metrics(tmp_path / name / "metrics.csv")[0] for name in ("one", "two"))
    for column in ("valid/auroc", "valid/accuracy", "valid/f1"):
        assert float(one[column]) == pytest.approx(float(two[column]), abs=1e-4)
    assert torch.load(
        tmp_path / "two" / "checkpoints" / "last.ckpt", map_location="cpu", weights_only=True
    )
