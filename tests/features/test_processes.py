"""Features that several processes need, or whose computation is killed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pcam.features.partial_file import CHUNK, read_layout
from tests.conftest import TINY

PATCHES = 3000
WORDS = [
    *("pcam.train", *TINY, "aug=none", "finetune=frozen", "features.use=true"),
    *(f"data.train={PATCHES}", "data.valid=64", "data.test=64", "data.batch_size=16"),
    *("trainer.max_epochs=1", "trainer.progress=false"),
]
WIDTH = 96  # of test_resnet's features


def start(folder: Path, run: str, cache: str) -> subprocess.Popen[str]:
    words = [*WORDS, f"hydra.run.dir={run}", f"features.cache={cache}"]
    return subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=folder,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    return output


def chunks_done(folder: Path) -> int:
    """Return how many chunks of the training patches are written, before all are."""
    for path in folder.glob("cache/*/features.part"):
        layout = read_layout(path, PATCHES, WIDTH, "float32")
        if layout is not None:
            return int(layout.done.sum())
    return 0


@pytest.mark.slow
def test_a_computation_that_is_killed_goes_on(tmp_path: Path) -> None:
    killed = start(tmp_path, "killed", "cache")
    while chunks_done(tmp_path) < 2 and killed.poll() is None:
        time.sleep(0.01)
    killed.kill()
    killed.communicate()
    done = chunks_done(tmp_path)
    assert 2 <= done < -(-PATCHES // CHUNK)
    output = finish(start(tmp_path, "again", "cache"))
    assert f"features of train: {done * CHUNK:,} of {PATCHES:,} are there" in output
    finish(start(tmp_path, "whole", "other"))
    predictions = [tmp_path / run / "predictions" / "test.csv" for run in ("again", "whole")]
    assert predictions[0].read_bytes() == predictions[1].read_bytes()


@pytest.mark.slow
def test_two_trainings_at_once_compute_features_once(tmp_path: Path) -> None:
    outputs = [finish(one) for one in [start(tmp_path, run, "cache") for run in ("a", "b")]]
    computed = [output.count(f"{PATCHES:,} x {WIDTH} float32") for output in outputs]
    assert sorted(computed) == [0, 1]
    predictions = [tmp_path / run / "predictions" / "test.csv" for run in ("a", "b")]
    assert predictions[0].read_bytes() == predictions[1].read_bytes()
    assert len(list(tmp_path.glob("cache/*/features.h5"))) == 3
