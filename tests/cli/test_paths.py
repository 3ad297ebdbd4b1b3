"""Paths with letters that the shell, Hydra or a glob takes for something else."""

import shlex
import shutil
from pathlib import Path

import pytest

from pcam.errors import format_override
from tests.conftest import SMALL, TINY, Terminal, write_folder
from tests.run import run_command

QUICK = [*TINY, *SMALL, "trainer.max_epochs=1", "trainer.accelerator=cpu"]
NAME = "Läufe_日本 a=b,[c](d)'e\"$x"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        run_command(patch, folder, "train", *QUICK, "hydra.run.dir=run")
    return folder / "run"


def words(*overrides: tuple[str, object]) -> list[str]:
    """Return overrides as the shell hands them on."""
    return shlex.split(" ".join(format_override(key, value) for key, value in overrides))


def test_training_prints_commands_that_can_be_typed(
    tmp_path: Path, terminal: Terminal, recwarn: pytest.WarningsRecorder
) -> None:
    folder = tmp_path / NAME
    data = write_folder(tmp_path / f"data {NAME}")
    paths = words(("data.root", data), ("hydra.run.dir", folder))
    answer = terminal("train", *TINY, "data=folder", "trainer=cpu", "trainer.max_epochs=1", *paths)
    assert (answer.status, answer.err) == (0, "")
    assert (folder / "summary.json").is_file()
    (line,) = [line for line in answer.out.splitlines() if line.endswith("# train longer")]
    typed = shlex.split(line, comments=True)
    assert typed[:3] == ["python", "-m", "pcam.train"]
    longer = terminal("train", *typed[3:])
    assert (longer.status, longer.err) == (0, "")
    assert f"resuming {folder}" in longer.out
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]


@pytest.mark.parametrize("name", ["evaluate", "predict"])
def test_a_run_of_any_name_is_opened(
    name: str, trained: Path, tmp_path: Path, terminal: Terminal
) -> None:
    run = shutil.copytree(trained, tmp_path / NAME)
    results = tmp_path / f"results {NAME}"
    answer = terminal(name, *words(("run", run), ("hydra.run.dir", results)))
    assert (answer.status, answer.err) == (0, "")
    assert (results / "predictions" / "test.csv").is_file()


@pytest.mark.parametrize("name", ["compare", "ensemble", "report"])
def test_lists_of_runs_of_any_name_are_opened(
    name: str, trained: Path, tmp_path: Path, terminal: Terminal
) -> None:
    runs = [shutil.copytree(trained, tmp_path / NAME / run) for run in ("1", "2")]
    for typed in (runs, [f"{tmp_path / NAME}/*"]):
        results = tmp_path / f"{len(typed)} {NAME}"
        answer = terminal(name, *words(("runs", typed), ("hydra.run.dir", results)))
        assert answer.status == 0, answer.err
        assert list(results.iterdir())


@pytest.mark.slow
def test_a_sweep_in_a_folder_of_any_name_is_resumed(tmp_path: Path, terminal: Terminal) -> None:
    folder = words(("hydra.sweep.dir", tmp_path / NAME))
    answer = terminal("train", "-m", *QUICK, "seed=0,1", *folder)
    assert (answer.status, answer.err) == (0, "")
    answer = terminal("train", "-m", *QUICK, "seed=0,1", *words(("resume", tmp_path / NAME)))
    assert answer.out.count("is finished") == 2
