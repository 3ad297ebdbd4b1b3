"""The first kills of ``tests.kill``."""

from pathlib import Path

import pytest

from tests.conftest import command

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_killed_runs_are_resumed_to_the_same_bits() -> None:
    ended = command("tests.kill", "--kills", 3, cwd=ROOT, timeout=900)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.slow
def test_a_broken_rule_is_noticed() -> None:
    ended = command("tests.kill", "--kills", 1, "--first", 1, "--break", "position", cwd=ROOT)
    assert ended.returncode == 1, ended.stdout + ended.stderr
