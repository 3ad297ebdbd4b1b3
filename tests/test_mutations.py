"""A part of the mutation suite; all of it: ``python -m tests.mutations``."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_two_hundred_mutated_inputs_are_read_right_or_refused_in_one_line() -> None:
    kinds = ["hdf5", "kaggle", "folder", "checkpoint", "weights", "run", "sweep"]
    command = [sys.executable, "-m", "tests.mutations", "--count", "200", "--seed", "1"]
    result = subprocess.run(
        [*command, "--kind", *kinds],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.splitlines()[-1].split()[0] == "all"


@pytest.mark.slow
def test_each_key_of_each_command_refuses_odd_values() -> None:
    command = [sys.executable, "-m", "tests.mutations", "--kind", "keys"]
    result = subprocess.run(
        command,
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
