"""Pairs of networks whose quality is known."""

from pathlib import Path

import pytest
from sklearn.metrics import roc_auc_score

from pcam.runs.predictions import write_predictions
from tests.evaluation.comparing import run_compare
from tests.evaluation.members import LABEL, MEMBERS, SIZE


def test_every_pair_is_tested_and_corrected(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = run_compare(folders, monkeypatch, "runs=[strong,middle,weak]")
    pairs = {(pair["first"], pair["second"]): pair for pair in summary["pairs"]}
    assert set(pairs) == {("strong", "middle"), ("strong", "weak"), ("middle", "weak")}
    auroc = {name: roc_auc_score(LABEL, probability) for name, probability in MEMBERS.items()}
    for (first, second), pair in pairs.items():
        assert pair["auroc"]["value"] == pytest.approx(auroc[first] - auroc[second], abs=1e-9)
        assert pair["auroc"]["p_holm"] >= pair["auroc"]["p"]
        assert "delong" not in pair  # it treats patches as independent, and these have slides
    assert pairs["strong", "weak"]["auroc"]["p_holm"] < 0.01


def test_all_runs_can_be_compared_with_one(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = run_compare(folders, monkeypatch, "runs=[strong,middle,weak]", "against=3")
    pairs = [(pair["first"], pair["second"]) for pair in summary["pairs"]]
    assert pairs == [("strong", "weak"), ("middle", "weak")]


def test_patches_without_slides_get_delong_and_mcnemar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [str(i) for i in range(SIZE)]
    for name, probability in MEMBERS.items():
        write_predictions(tmp_path / name, "test", ids, LABEL, probability, None)
    (pair,) = run_compare(tmp_path, monkeypatch, "runs=[strong,weak]")["pairs"]
    assert pair["delong"]["value"] == pytest.approx(pair["auroc"]["value"], abs=1e-9)
    assert pair["mcnemar"]["p"] < 0.05
    assert "McNemar p (Holm)" in capsys.readouterr().out
