"""Predictions of several networks: aligned."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from pcam.evaluation.alignment import align_predictions, warn_about_equal_members
from pcam.evaluation.predictions import find_predictions, read_predictions
from tests.evaluation.csvs import GOOD, write_text


def test_members_are_aligned_in_the_order_of_the_first(tmp_path: Path) -> None:
    write_text(tmp_path / "one" / "predictions" / "test.csv", GOOD)
    write_text(tmp_path / "two.csv", "probability,id\n0.5,b\n0.125,a\n")
    paths = find_predictions([str(tmp_path / "one"), str(tmp_path / "two.csv")], "test")
    members = [read_predictions(path) for path in paths]
    found = align_predictions(members)
    assert found.names == ["one", "two"]
    assert found.ids == ["a", "b"]
    assert found.label.tolist() == [0, 1]
    assert found.slides == ["s", "t"]
    np.testing.assert_allclose(expit(found.logit), [[0.25, 0.75], [0.125, 0.5]])
    reverse = align_predictions(members[::-1])
    assert reverse.ids == ["b", "a"]
    assert reverse.label.tolist() == [1, 0]
    assert reverse.slides == ["t", "s"]
    np.testing.assert_allclose(expit(reverse.logit), [[0.5, 0.125], [0.75, 0.25]])


def test_equal_names_are_made_unique(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("x/p", "y/p"):
        write_text(tmp_path / name / "predictions" / "test.csv", GOOD)
    paths = find_predictions(str(tmp_path / "*" / "p"), "test")
    found = align_predictions([read_predictions(path) for path in paths])
    assert found.names == ["p #1", "p #2"]
    warn_about_equal_members(found)
    assert "predict the same for every patch: is it the same network twice?" in caplog.text
    assert np.ptp(found.logit, axis=0).max() == 0
