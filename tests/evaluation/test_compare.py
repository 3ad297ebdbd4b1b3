"""``pcam.compare``: faults, and networks that are very sure."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from pcam.runs.predictions import write_predictions
from tests.evaluation.comparing import run_compare
from tests.run import run_command
from tests.stats.saturated import saturated


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("runs=[strong]", "a comparison needs at least two; only"),
        ("runs=[strong,nowhere]", "nowhere"),
        ("runs=[strong,middle] against=3", "against=3: the runs are 1 to 2"),
        ("runs=[bare,bare2]", "these predictions have no labels"),
    ],
)
def test_a_fault_is_one_line(
    words: str,
    message: str,
    folders: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for bare in ("bare", "bare2"):
        write_predictions(folders / bare, "test", ["a", "b"], None, [0.5, 0.2], None)
    with pytest.raises(SystemExit) as stopped:
        run_command(monkeypatch, folders, "compare", *words.split(), "hydra.run.dir=out")
    error = capfd.readouterr().err.strip()
    assert stopped.value.code == 2
    assert error.startswith("error: ")
    assert message in error
    assert "\n" not in error
    assert not (folders / "out").exists()


def test_networks_whose_probabilities_are_all_1_are_compared_by_their_log_odds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits, label = saturated()
    ids = [f"p{number}" for number in range(len(logits))]
    for name, values in (("a", logits), ("b", np.where(label == 1, logits + 9, logits))):
        write_predictions(tmp_path / name, "test", ids, label, expit(values), None, logit=values)
    summary = run_compare(tmp_path, monkeypatch, "runs=[a,b]")
    assert summary["runs"]["a"]["auroc"]["value"] == pytest.approx(13 / 14)
    assert summary["runs"]["b"]["auroc"]["value"] == 1
    (pair,) = summary["pairs"]
    assert pair["auroc"]["value"] == pytest.approx(-1 / 14)


def test_csvs_of_others_without_log_odds_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, values in (("a", [0.0, 0.3, 1.0, 1.0]), ("b", [0.1, 0.9, 0.2, 0.4])):
        rows = [f"p{i},{i % 2},{value}" for i, value in enumerate(values)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["id,label,probability", *rows]) + "\n")
    summary = run_compare(tmp_path, monkeypatch, "runs=[a.csv,b.csv]")
    assert summary["runs"]["a"]["auroc"]["value"] == 0.625
    assert summary["runs"]["b"]["auroc"]["value"] == 1
    assert summary["runs"]["a"]["accuracy"]["value"] == 0.5
