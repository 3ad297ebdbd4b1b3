"""A part of the mutation suite; all of it: ``python -m tests.mutations``."""

from pathlib import Path

import pytest

from tests.conftest import command


def run_suite(*words: str) -> str:
    """Run the suite, which ends with 0 if nothing is wrong; return what it prints."""
    answer = command("tests.mutations", *words, cwd=Path(__file__).parents[1], timeout=900)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


@pytest.mark.slow
def test_two_hundred_mutated_inputs_are_read_right_or_refused_in_one_line() -> None:
    kinds = ["hdf5", "kaggle", "folder", "checkpoint", "weights", "run", "sweep"]
    printed = run_suite("--count", "200", "--seed", "1", "--kind", *kinds)
    assert printed.splitlines()[-1].split()[0] == "all"


@pytest.mark.slow
def test_each_key_of_each_command_refuses_odd_values() -> None:
    assert "keys" in run_suite("--kind", "keys")
