"""The jobs that did not finish."""

import json
import shutil
from pathlib import Path

from pcam.runs.lock import lock_folder
from tests.reporting.fakes import copy_sweep, make_report, read_rows, write_search

COMMANDS = "To run what is missing"


def write_failure(job: Path, words: list[str]) -> None:
    failure = {"error": "the disk is full", "expected": True, "words": words}
    (job / "failure.json").write_text(json.dumps(failure))


def test_states_reasons_and_the_command(sweep: Path, tmp_path: Path) -> None:
    broken = copy_sweep(sweep, tmp_path / "broken")
    write_failure(broken / "1", [])
    (broken / "1" / "summary.json").unlink()
    (broken / "2" / "summary.json").unlink()
    shutil.rmtree(broken / "3")
    text = make_report(tmp_path / "out", broken)
    rows = read_rows(tmp_path / "out" / "unfinished.csv")
    assert [row["state"] for row in rows] == ["failed", "interrupted", "missing"]
    assert rows[0][""] == "recipe=resnet50 aug=dihedral seed=1"
    assert rows[0]["why"] == "the disk is full"
    assert COMMANDS in text
    assert f"hydra.sweep.dir={broken}" in text


def test_a_running_sweep_is_left_to_itself(sweep: Path, tmp_path: Path) -> None:
    broken = copy_sweep(sweep, tmp_path / "broken")
    (broken / "2" / "summary.json").unlink()
    shutil.rmtree(broken / "3")
    with lock_folder(broken / "2"):
        text = make_report(tmp_path / "out", broken)
    rows = read_rows(tmp_path / "out" / "unfinished.csv")
    assert [row["state"] for row in rows] == ["running", "missing"]
    assert COMMANDS not in text


def test_a_job_named_alone_knows_its_sweep(sweep: Path, tmp_path: Path) -> None:
    other = copy_sweep(sweep, tmp_path / "s")
    shutil.rmtree(other / "2")
    (other / "2").mkdir()
    write_failure(other / "2", ["a=b"])
    text = make_report(tmp_path / "out", other / "0", other / "2")
    (row,) = read_rows(tmp_path / "out" / "unfinished.csv")
    assert row[""] == "aug=none"
    assert f"hydra.sweep.dir={other}" in text
    assert "resume=" not in text


def test_a_failed_trial_is_not_run_again(tmp_path: Path) -> None:
    search = write_search(tmp_path / "search", [1e-4, 1e-3, 1e-2])
    write_failure(search / "1", ["optimizer.lr=0.001"])
    text = make_report(tmp_path / "out", search)
    assert "A failed trial is not run again" in text
    assert COMMANDS not in text
