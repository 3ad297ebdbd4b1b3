"""Run ``pcam.compare`` and return what it wrote."""

import json
from pathlib import Path

import pytest

from tests.run import run_command


def run_compare(folder: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> dict:
    """Run the command; return the summary."""
    run_command(monkeypatch, folder, "compare", "resamples=400", "hydra.run.dir=out", *words)
    return json.loads((folder / "out" / "summary.json").read_text())
