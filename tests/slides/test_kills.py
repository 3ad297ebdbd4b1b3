"""``pcam.slide`` is killed at random, and started again."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.forked import forked, forked_and_killed
from tests.slides.writing import FILES, tissue, write_slide

PART = 64  # patches of a stored file of scores, of 576 in all
KILLS = 5


def after_parts(folder: Path, count: int, delay: float) -> Callable[[], bool]:
    """Return a condition that holds some seconds after so many files of scores are written."""
    written: list[float] = []

    def holds() -> bool:
        if not written and len(list(folder.glob("scores/*.npy"))) >= count:
            written.append(time.monotonic())
        return bool(written) and time.monotonic() > written[0] + delay

    return holds


@pytest.mark.slow
def test_killed_at_random_five_times_the_files_are_equal(run: Path, tmp_path: Path) -> None:
    path = write_slide(tmp_path / "slide.tif", tissue(4, 4))
    words = ["tests.patched", f"pcam.slides.predict.PART={PART}", "pcam.slide"]
    words += [f"run={run}", f"slide={path}", "stride=16"]
    start = time.monotonic()
    done = forked(*words, "hydra.run.dir=whole", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    seconds_per_part = (time.monotonic() - start) / 9
    for number in range(KILLS):
        delay = random.Random(number).uniform(0, 1) * seconds_per_part
        moment = after_parts(tmp_path / "killed", number, delay)
        forked_and_killed(*words, "hydra.run.dir=killed", cwd=tmp_path, when=moment)
    done = forked(*words, "hydra.run.dir=killed", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "patches are scored already" in done.stdout + done.stderr
    for name in FILES:
        whole = (tmp_path / "whole" / name).read_bytes()
        assert (tmp_path / "killed" / name).read_bytes() == whole, name
