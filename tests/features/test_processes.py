"""Features that several processes need, or whose computation is killed."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pcam.features import partial_file
from tests.conftest import TINY
from tests.forked import forked, forked_and_killed

PATCHES = 1000
CHUNK = 64
WIDTH = 96  # of test_resnet's features


def words(run: str, cache: str) -> list[str]:
    return [
        *("tests.patched", f"pcam.features.partial_file.CHUNK={CHUNK}", "pcam.train", *TINY),
        *("aug=none", "finetune=frozen", "features.use=true", f"features.cache={cache}"),
        *(f"data.train={PATCHES}", "data.valid=64", "data.test=64", "data.batch_size=16"),
        *("trainer.max_epochs=1", "trainer.progress=false", f"hydra.run.dir={run}"),
    ]


def train(folder: Path, run: str, cache: str) -> str:
    """Train on features, and return what was printed."""
    done = forked(*words(run, cache), cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def chunks_done(folder: Path) -> int:
    """Return how many chunks of the training patches are written, before all are."""
    for path in folder.glob("cache/*/features.part"):
        layout = partial_file.read_layout(path, PATCHES, WIDTH, "float32")
        if layout is not None:
            return int(layout.done.sum())
    return 0


@pytest.mark.slow
def test_a_computation_that_is_killed_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partial_file, "CHUNK", CHUNK)
    killed = words("killed", "cache")
    forked_and_killed(*killed, cwd=tmp_path, when=lambda: chunks_done(tmp_path) >= 2)
    done = chunks_done(tmp_path)
    assert 2 <= done < -(-PATCHES // CHUNK)
    output = train(tmp_path, "again", "cache")
    assert f"features of train: {done * CHUNK:,} of {PATCHES:,} are there" in output
    train(tmp_path, "whole", "other")
    predictions = [tmp_path / run / "predictions" / "test.csv" for run in ("again", "whole")]
    assert predictions[0].read_bytes() == predictions[1].read_bytes()


@pytest.mark.slow
def test_two_trainings_at_once_compute_features_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        outputs = list(pool.map(lambda run: train(tmp_path, run, "cache"), ("a", "b")))
    computed = [output.count(f"{PATCHES:,} x {WIDTH} float32") for output in outputs]
    assert sorted(computed) == [0, 1]
    predictions = [tmp_path / run / "predictions" / "test.csv" for run in ("a", "b")]
    assert predictions[0].read_bytes() == predictions[1].read_bytes()
    assert len(list(tmp_path.glob("cache/*/features.h5"))) == 3
