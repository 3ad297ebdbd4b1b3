"""Predictions of several networks: found and read."""

import math
from pathlib import Path

import pytest

from pcam.errors import ConfigError, DataError, PcamError, RunError
from pcam.evaluation.alignment import align_predictions
from pcam.evaluation.predictions import find_predictions, read_predictions
from tests.evaluation.csvs import GOOD, write_text


def test_predictions_of_the_same_patches_have_the_same_labelled_patches(tmp_path: Path) -> None:
    one = read_predictions(write_text(tmp_path / "1.csv", GOOD))
    turned = read_predictions(
        write_text(tmp_path / "2.csv", "id,label,probability\nb,1,0.5\na,0,0.5\n")
    )
    other = read_predictions(
        write_text(tmp_path / "3.csv", "id,label,probability\nb,0,0.5\na,0,0.5\n")
    )
    assert one.labelled_patches == turned.labelled_patches != other.labelled_patches
    assert turned.reorder(one.ids).label.tolist() == [0, 1]


def test_a_glob_takes_the_folders_that_have_predictions(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_text(tmp_path / name / "predictions" / "test.csv", GOOD)
    (tmp_path / "c").mkdir()
    (tmp_path / "multirun.yaml").touch()
    found = find_predictions(str(tmp_path / "*"), "test")
    assert [path.parent.parent.name for path in found] == ["a", "b"]
    twice = find_predictions([str(tmp_path / "*"), str(tmp_path / "a")], "test")
    assert twice == found  # each once


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,score\na,0.5\n", "columns id and probability are needed, found id, score"),
        ("", "columns id and probability are needed, found none"),
        ("id,probability\n", "holds no predictions"),
        ("id,probability\na,0.5\nb,0.5\na,0.1\n", "names 1 patches more than once, first a"),
        ("id,probability\na,0.5\nb\n", "line 3: the row is cut short"),
        ("id,probability\na,nan\nb,0.5\n", "a has the probability 'nan', not 0 to 1 (1 are not)"),
        ("id,probability\na,1.5\nb,x\n", "a has the probability '1.5', not 0 to 1 (2 are not)"),
        (
            "id,probability,logit\na,0.5,0\nb,0.5,3\n",
            "b has the logit '3', not log(p/(1-p)) of its probability '0.5' (1 differ)",
        ),
        ("id,probability,logit\na,0.5,\nb,0.5,0\n", "a has the logit '', not log(p/(1-p))"),
        ("id,probability,label\na,0.5,2\n", "a has the label '2'; labels are 0 or 1"),
        ("id,probability\na,0.5\nc,0.5\n", "are predictions of different patches"),
        (
            "id,probability,label\na,0.5,1\nb,0.5,1\n",
            "disagrees with the files before it on the labels of 1 patches, for example a",
        ),
    ],
)
def test_a_bad_csv_is_one_line(text: str, message: str, tmp_path: Path) -> None:
    good, bad = write_text(tmp_path / "good.csv", GOOD), write_text(tmp_path / "bad.csv", text)
    with pytest.raises(DataError) as caught:
        align_predictions([read_predictions(good), read_predictions(bad)])
    assert message in str(caught.value)
    assert str(bad) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_column_of_log_odds_is_read_where_there_is_one(tmp_path: Path) -> None:
    with_column = "id,probability,logit\na,1.0,97.5\nb,1.0,98\nc,0.25,-1.0986\n"
    found = read_predictions(write_text(tmp_path / "with.csv", with_column))
    assert found.logit.tolist() == [97.5, 98, -1.0986]
    assert found.reorder(["c", "b", "a"]).logit.tolist() == [-1.0986, 98, 97.5]
    without = "id,probability\na,1.0\nb,0\nc,0.25\n"
    found = read_predictions(write_text(tmp_path / "without.csv", without))
    assert found.logit[:2].tolist() == [math.inf, -math.inf]
    assert found.logit[2] == pytest.approx(-math.log(3))


def test_missing_predictions_are_named(tmp_path: Path) -> None:
    write_text(tmp_path / "run" / "predictions" / "valid.csv", GOOD)
    cases: list[tuple[list[str], type[PcamError], str]] = [
        ([], ConfigError, "must be given"),
        (["nowhere*"], RunError, r"nowhere\*"),
        ([str(tmp_path / "run")], RunError, r"no predictions/test\.csv \(available: valid\)"),
    ]
    for asked, kind, message in cases:
        with pytest.raises(kind, match=message):
            find_predictions(asked, "test")
