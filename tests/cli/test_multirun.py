"""The start of a sweep: what is refused before anything is written."""

from pathlib import Path

import pytest

from tests.conftest import Terminal


@pytest.mark.parametrize(
    ("words", "faults"),
    [
        ("seed=0,0", ["seed=0,0: a value is repeated"]),
        ("optimizer.lr=1e-3,0.001", ["optimizer.lr=1e-3,0.001: a value is repeated"]),
        ("seed=0,1 hydra.sweep.subdir=x", ["hydra.sweep.subdir: a sweep's jobs are numbered"]),
        ("seed=0,1 --config-dir=mine", ["--config-dir cannot be combined with -m"]),
        ("seed=0,1 -cd mine", ["use 'hydra.searchpath=[file:///DIR]'"]),
        ("seed=0,1 --config-name train", ["--config-name cannot be combined with -m"]),
        ("--experimental-rerun mine", ["--experimental-rerun cannot be combined with -m"]),
        ("model=vgg16,resnet5", ["model=resnet5 is not available; did you mean resnet50?"]),
        ("seed=0,1 trainer.max_epochs=0", ["trainer.max_epochs=0 must be at least 1"]),
        (
            "seeds=0,1 optimzer.lr=3 trainer.max_epochs=0",
            ["unknown key seeds", "unknown key optimzer.lr", "trainer.max_epochs=0"],
        ),
        (
            "optimizer.lr=-1,-2,0.1",
            ["optimizer.lr=-1 must be at least 0", "optimizer.lr=-2 must be at least 0"],
        ),
    ],
)
def test_a_sweep_that_cannot_start_writes_nothing(
    words: str, faults: list[str], terminal: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    found = terminal("train", "-m", *words.split()).faults
    assert len(found) == len(faults), found
    for fault in faults:
        assert any(fault in line for line in found), found
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
