"""A process goes on when its screen is gone."""

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import sys
from pathlib import Path
from pcam.runs.screen import keep_going_without_screen
keep_going_without_screen()
with open("result", "w") as file:  # not the screen, whose number is free if it was closed
    for number in range(100_000):
        print("line", number, "日", flush=number % 10_000 == 0)
    print("a warning", file=sys.stderr, flush=True)
    file.write("whole")
"""


@pytest.mark.parametrize(
    "redirection",
    ["| head -n 1", ">&-", "2>&-", ">&- 2>&- <&-", ">/dev/full", ">/dev/full 2>&1", "2>&1 | true"],
)
def test_a_process_goes_on_without_its_screen(redirection: str, tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(CODE)
    line = f"set -o pipefail; {sys.executable} code.py {redirection}"
    answer = subprocess.run(
        ["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert answer.returncode == 0, answer.stderr
    assert (tmp_path / "result").read_text() == "whole"
    assert "Error" not in answer.stderr


def test_the_screen_shows_everything_while_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(CODE)
    answer = subprocess.run(
        [sys.executable, "code.py"],
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        env={"PYTHONPATH": ":".join(sys.path), "PYTHONIOENCODING": "ascii"},
    )
    lines = answer.stdout.decode().splitlines()
    assert lines == [f"line {number} \\u65e5" for number in range(100_000)]
    assert answer.stderr == b"a warning\n"
