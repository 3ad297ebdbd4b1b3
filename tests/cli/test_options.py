"""Hydra's options: what it answers with a traceback or its usage is one line."""

import pytest

from tests.conftest import Terminal


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-m", "--cfg", "job"], "--multirun and --cfg exclude each other; leave out all but one"),
        (["scale=smoke", "--cfg", "job", "-m"], "--multirun and --cfg exclude each other"),
        (["-m", "--info"], "--multirun and --info exclude each other"),
        (["--info", "--cfg=job"], "--cfg and --info exclude each other"),
        (["--resolve"], "--resolve belongs to --cfg job or --help, which is missing"),
        (["--cfg", "jobs"], "--cfg/-c: invalid choice: 'jobs'"),
        (["--nonsense"], "unrecognized arguments: --nonsense; see --hydra-help"),
        (["seed=0", "--cfg", "job", "seed=1"], "seed=1 stands after an option; write options"),
        (["--package"], "--package/-p: expected one argument"),
    ],
)
@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_options_that_hydra_does_not_take(
    command: str, words: list[str], message: str, terminal: Terminal
) -> None:
    (line,) = terminal(command, *words).faults
    assert line.startswith(message)


def test_options_that_belong_together_still_do(terminal: Terminal) -> None:
    answer = terminal("train", "--cfg", "job", "--resolve", "-p", "optimizer")
    assert answer.status == 0
    assert "head_lr:" in answer.out
