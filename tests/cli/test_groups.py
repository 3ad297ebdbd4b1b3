"""Config groups that are given something else than names of their choices."""

import pytest

from tests.conftest import Terminal

SOURCES = "must name a choice of data; available: folder, kaggle, pcam, synthetic"


@pytest.mark.parametrize("value", ["null", "1", "true", "1e20", "[1]", "{a: 1}", '""', "nan"])
def test_a_choice_is_a_name(value: str, terminal: Terminal) -> None:
    assert terminal("train", f"data={value}").faults == [f"data={value} {SOURCES}"]


def test_all_such_faults_are_reported_together(terminal: Terminal) -> None:
    lines = terminal("train", "-m", "data=pcam,2", "model=range(2)", "hydra/sweeper=3").faults
    assert lines[0] == f"data=pcam,2 {SOURCES}"
    assert lines[1].startswith("model=range(2) must name a choice of model; available: conch, ")
    assert lines[2] == "hydra/sweeper=3 must name a choice of hydra/sweeper; available: random, tpe"


def test_a_group_of_pcam_fills_no_other_section(terminal: Terminal) -> None:
    for word in ("+data@foo=pcam", "data@foo=pcam", "data@optimizer=pcam", "data@data=pcam"):
        (line,) = terminal("train", word).faults
        assert line == f"{word}: data is the only section of its choices; write data=NAME"


def test_names_are_left_to_hydra(terminal: Terminal) -> None:
    assert terminal("train", "data='synthetic'", "--cfg", "job").status == 0
    (line,) = terminal("train", "data=pcm").faults
    assert line.startswith("data=pcm is not available; did you mean pcam?")
