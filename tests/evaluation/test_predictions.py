from pathlib import Path

import numpy as np
import pytest

from pcam.errors import ConfigError, DataError, PcamError, RunError
from pcam.evaluation.predictions import align_predictions, find_predictions, read_predictions


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


GOOD = "id,label,probability,slide\na,0,0.25,s\nb,1,0.75,t\n"


def test_members_are_laid_side_by_side_whatever_their_order(tmp_path: Path) -> None:
    written(tmp_path / "one" / "predictions" / "test.csv", GOOD)
    written(tmp_path / "two.csv", "probability,id\n0.5,b\n0.125,a\n")
    paths = find_predictions([str(tmp_path / "one"), str(tmp_path / "two.csv")], "test")
    found = align_predictions([read_predictions(path) for path in paths])
    assert found.names == ["one", "two"]
    assert found.ids == ["a", "b"]
    assert found.label.tolist() == [0, 1]
    assert found.slides == ["s", "t"]
    assert found.probability.tolist() == [[0.25, 0.75], [0.125, 0.5]]
    turned = align_predictions([read_predictions(path) for path in paths[::-1]])
    assert turned.ids == ["b", "a"]
    assert turned.label.tolist() == [1, 0]
    assert turned.slides == ["t", "s"]
    assert turned.probability.tolist() == [[0.5, 0.125], [0.75, 0.25]]


def test_a_glob_takes_the_folders_that_have_predictions(tmp_path: Path) -> None:
    for name in ("a", "b"):
        written(tmp_path / name / "predictions" / "test.csv", GOOD)
    (tmp_path / "c").mkdir()
    found = find_predictions(str(tmp_path / "*"), "test")
    assert [path.parent.parent.name for path in found] == ["a", "b"]
    assert (
        find_predictions([str(tmp_path / "*"), str(tmp_path / "a")], "test") == found
    )  # each once


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,score\na,0.5\n", "columns id and probability are needed, there are id, score"),
        ("", "columns id and probability are needed, there are none"),
        ("id,probability\n", "holds no predictions"),
        ("id,probability\na,0.5\nb,0.5\na,0.1\n", "names 1 patches more than once, first a"),
        ("id,probability\na,0.5\nb\n", "line 3: the row is cut short"),
        ("id,probability\na,nan\nb,0.5\n", "a has the probability 'nan', not 0 to 1 (1 are not)"),
        ("id,probability\na,1.5\nb,x\n", "a has the probability '1.5', not 0 to 1 (2 are not)"),
        ("id,probability,label\na,0.5,2\n", "a has the label '2'; labels are 0 or 1"),
        ("id,probability\na,0.5\nc,0.5\n", "is of other patches than"),
        (
            "id,probability,label\na,0.5,1\nb,0.5,1\n",
            "disagrees with the members before it on the labels of 1 patches, as a",
        ),
    ],
)
def test_a_bad_csv_is_one_line(text: str, said: str, tmp_path: Path) -> None:
    good, bad = written(tmp_path / "good.csv", GOOD), written(tmp_path / "bad.csv", text)
    with pytest.raises(DataError) as caught:
        align_predictions([read_predictions(good), read_predictions(bad)])
    assert said in str(caught.value)
    assert str(bad) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    written(tmp_path / "run" / "predictions" / "valid.csv", GOOD)
    cases: list[tuple[list[str], type[PcamError], str]] = [
        ([], ConfigError, "must be given"),
        (["nowhere*"], RunError, r"nothing is called nowhere\*"),
        ([str(tmp_path / "run")], RunError, r"no predictions/test\.csv \(there is valid\)"),
    ]
    for asked, kind, said in cases:
        with pytest.raises(kind, match=said):
            find_predictions(asked, "test")


def test_equal_names_are_told_apart(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("x/p", "y/p"):
        written(tmp_path / name / "predictions" / "test.csv", GOOD)
    found = align_predictions(
        [read_predictions(path) for path in find_predictions(str(tmp_path / "*" / "p"), "test")]
    )
    assert len(set(found.names)) == 2
    assert "say the same of every patch: is it one network twice?" in caplog.text
    assert np.ptp(found.probability, axis=0).max() == 0
