"""What a command shows on the terminal."""

import logging
import sys

import pytest

from pcam.cli.console import name_output, print_error, progress_bar, show_log


def test_messages_are_shown_plainly_and_once(capsys: pytest.CaptureFixture[str]) -> None:
    show_log()
    show_log()
    log = logging.getLogger("pcam.training.fit")
    log.debug("hidden")
    log.info("epoch %d", 1)
    log.warning("random weights")
    logging.getLogger("another.library").info("hidden")
    logging.getLogger("hydra.launcher").info("#0 : ++seed=0 ++aug.batched=true")
    out, err = capsys.readouterr()
    assert out == "epoch 1\n#0 : seed=0 aug.batched=true\n"
    assert err == "random weights\n"


def test_each_line_of_a_failure_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    print_error("first\nsecond")
    assert capsys.readouterr().err == "error: first\nerror: second\n"


def test_each_line_of_a_job_names_it_and_is_written_whole(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_log()
    with name_output("job 3"):
        logging.getLogger("pcam").info("epoch 1/2\n\nlast")
        print("half", end=" ")
        print("a line")
        logging.getLogger("pcam").warning("valid has no positive patch")
        sys.stderr.write("unfinished")
        assert not sys.stderr.isatty()
    print("after")
    out, err = capsys.readouterr()
    assert out == "job 3: epoch 1/2\njob 3:\njob 3: last\njob 3: half a line\nafter\n"
    assert err == "job 3: valid has no positive patch\njob 3: unfinished\n"


def test_a_progress_bar_writes_nothing_into_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("audit") as update:
        update("train", 1, 2)
        update("train", 2, 2)
        update("valid", 1, 4)
    assert capsys.readouterr() == ("", "")
