"""Faults of ``pcam.compare``."""

from pathlib import Path

import pytest

from pcam.runs.predictions import write_predictions
from tests.run import run_command


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("runs=[strong]", "a comparison needs at least two; only"),
        ("runs=[strong,nowhere]", "nowhere"),
        ("runs=[strong,middle] against=3", "against=3: the runs are 1 to 2"),
        ("runs=[bare,bare2]", "these predictions have no labels"),
    ],
)
def test_a_fault_is_one_line(
    words: str,
    message: str,
    folders: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for bare in ("bare", "bare2"):
        write_predictions(folders / bare, "test", ["a", "b"], None, [0.5, 0.2], None)
    with pytest.raises(SystemExit) as stopped:
        run_command(monkeypatch, folders, "compare", *words.split(), "hydra.run.dir=out")
    error = capfd.readouterr().err.strip()
    assert stopped.value.code == 2
    assert error.startswith("error: ")
    assert message in error
    assert "\n" not in error
    assert not (folders / "out").exists()
