"""The console script ``pcam``."""

import sys
from pathlib import Path

import pytest

import pcam
from pcam.cli.main import COMMANDS, main
from tests.conftest import command

NOT_COMMANDS = ("__init__", "__main__", "errors")


def test_every_module_of_the_package_is_a_command() -> None:
    modules = {path.stem for path in Path(pcam.__file__).parent.glob("*.py")}
    assert modules - set(NOT_COMMANDS) == set(COMMANDS)


@pytest.mark.parametrize("words", [[], ["--help"]])
def test_without_a_command_the_commands_are_listed(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["pcam", *words])
    main()
    out = capsys.readouterr().out
    for name in COMMANDS:
        assert f"  python -m pcam.{name}" in out
    assert "python -m pcam.train      Train and test a classifier\n" in out


def test_the_version_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["pcam", "--version"])
    main()
    assert capsys.readouterr().out == f"pcam {pcam.__version__}\n"


def test_an_unknown_command_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["pcam", "trian"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert capsys.readouterr().err == "error: unknown command trian; did you mean train?\n"


@pytest.mark.slow
def test_a_command_runs_with_its_own_options(tmp_path: Path) -> None:
    answer = command("pcam", "train", "model=vgg16", "--cfg", "job", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert "hidden: 512" in answer.stdout
    assert "python -m pcam.train" in command("pcam", "train", "--help", cwd=tmp_path).stdout
    wrong = command("pcam", "compare", "runs=a", "sed=1", cwd=tmp_path)
    assert wrong.returncode == 2
    assert wrong.stderr == "error: unknown key sed; did you mean seed?\n"
