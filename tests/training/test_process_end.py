"""The end of processes that train together, when the system kills one of them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import TINY


def children(process: int) -> list[int]:
    """Return the ids of a process's children, in the order of their start."""
    tasks = Path(f"/proc/{process}/task").iterdir()
    found = [int(word) for task in tasks for word in (task / "children").read_text().split()]
    return sorted(found)


def is_training(process: int) -> bool:
    return "spawn_main" in Path(f"/proc/{process}/cmdline").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(("rank", "workers"), [(0, 0), (1, 1)])
def test_one_process_of_several_that_is_killed_is_one_line(
    rank: int, workers: int, pcam_root: Path, tmp_path: Path
) -> None:
    words = [*TINY, "data=pcam", f"data.root={pcam_root}", f"data.num_workers={workers}"]
    words += ["data.batch_size=16", "trainer.progress=false", "hydra.run.dir=run"]
    words += ["trainer=ddp", "trainer.devices=2", "trainer.max_epochs=5000"]
    run = tmp_path / "run"
    last = run / "checkpoints" / "last.ckpt"
    with subprocess.Popen(
        [sys.executable, "-m", "pcam.train", *words],
        cwd=tmp_path,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as training:
        while not last.is_file():
            assert training.poll() is None
            time.sleep(0.1)
        group = [child for child in children(training.pid) if is_training(child)]
        everybody = [*group, *(worker for one in group for worker in children(one))]
        assert len(everybody) == 2 + 4 * workers  # of train and valid
        os.kill(group[rank], signal.SIGKILL)
        start = time.monotonic()
        _, err = training.communicate(timeout=60)
    assert training.returncode == 2
    while any(Path(f"/proc/{process}").exists() for process in everybody):
        time.sleep(0.1)
    seconds = time.monotonic() - start
    assert len(err.strip().splitlines()) == 1, err
    line = err.strip()
    assert line.startswith(
        f"error: process {rank + 1} of 2 that train together was killed by the system, most likely"
        f" for lack of memory; lower data.batch_size, data.num_workers or trainer.devices; {last}"
    )
    assert line.endswith(f" is kept: python -m pcam.train resume={run}")
    assert seconds < 10
