"""``pcam.ensemble`` on predictions whose quality is known."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import rankdata
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score

from pcam.config.schema import EnsembleConfig
from pcam.evaluation.ensemble import ensemble
from pcam.runs.predictions import write_predictions
from tests.evaluation.members import LABEL, MEMBERS, SIZE
from tests.run import run_command
from tests.stats.saturated import saturated

Summary = dict
Written = dict[str, float]


def run_ensemble(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *words: str,
    members: str = "runs=[strong,middle,weak]",
) -> tuple[Summary, Written]:
    """Run the command; return the summary, and the probability of each id."""
    run_command(
        monkeypatch, folder, "ensemble", members, "resamples=200", "hydra.run.dir=out", *words
    )
    with (folder / "out" / "predictions" / "test.csv").open() as file:
        written = {row["id"]: float(row["probability"]) for row in csv.DictReader(file)}
    return json.loads((folder / "out" / "summary.json").read_text()), written


def test_each_rule_combines_as_its_name_says(folders: Path) -> None:
    members = np.stack(list(MEMBERS.values()))
    logits = np.log(members / (1 - members)).mean(0)
    expected = {
        "majority_vote": (members >= 0.5).sum(0) >= 2,
        "mean_probability": members.mean(0),
        "mean_logit": 1 / (1 + np.exp(-logits)),
        "rank_mean": (sum(rankdata(row) for row in members) / len(members) - 0.5) / SIZE,
    }
    order = [f"test-{i}" for i in range(SIZE)]
    for rule, score in expected.items():
        config = EnsembleConfig(
            runs=[str(folders / name) for name in MEMBERS],
            split="test",
            rule=rule,
            kaggle=None,
            resamples=100,
            seed=0,
        )
        result = ensemble(config)
        found = dict(zip(result.predictions.ids, result.probability, strict=True))
        np.testing.assert_allclose([found[name] for name in order], score.astype(float), atol=1e-9)
        assert result.scores is not None
        row = result.scores.rows[rule]
        auroc = row.metrics["auroc"]
        assert auroc["value"] == pytest.approx(roc_auc_score(LABEL, score), abs=1e-9)
        assert auroc["low"] < auroc["value"] < auroc["high"]
        accuracy = accuracy_score(LABEL, score >= 0.5)
        assert row.metrics["accuracy"]["value"] == pytest.approx(accuracy, abs=1e-9)
        balanced_accuracy = balanced_accuracy_score(LABEL, score >= 0.5)
        assert row.auroc_of_hard_labels == pytest.approx(balanced_accuracy, abs=1e-9)
    assert result.scores.unit == "slides"
    assert set(result.scores.rows) == {*MEMBERS, *expected, "weighted"}
    vote = result.scores.rows["majority_vote"]
    assert vote.metrics["auroc"]["value"] == vote.auroc_of_hard_labels


def test_weights_and_the_best_member_come_from_valid(
    folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    summary, written = run_ensemble(folders, monkeypatch, "rule=weighted")
    weights = summary["weights"]
    assert sum(weights.values()) == pytest.approx(1)
    assert weights["weak"] < 0.1 < weights["strong"]
    mean = sum(weights[name] * probability for name, probability in MEMBERS.items())
    np.testing.assert_allclose([written[f"test-{i}"] for i in range(SIZE)], mean, atol=1e-9)
    assert (summary["best_member"], summary["best_by"]) == ("strong", "valid")
    assert "difference" not in summary["rows"]["strong"]
    assert summary["rows"]["weak"]["difference"]["high"] < 0
    out = capsys.readouterr().out
    assert "the best member is the one with the highest AUROC on valid" in out
    assert "AUROC of hard labels: their score on a leaderboard" in out


def test_without_predictions_of_valid_no_weights_are_fitted(
    folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folders / "weak" / "predictions" / "valid.csv").unlink()
    summary, _ = run_ensemble(folders, monkeypatch)
    assert summary["weights"] is None
    assert "weighted" not in summary["rows"]
    assert "highest AUROC on this split, which is slightly too favourable" in (
        capsys.readouterr().out
    )


def test_predictions_of_valid_that_do_not_fit_are_reported(
    folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_predictions(folders / "weak", "valid", ["other"], [1], [0.5], None)
    summary, _ = run_ensemble(folders, monkeypatch)
    assert summary["weights"] is None
    assert "no weights are fitted: " in capsys.readouterr().out


def test_unlabelled_members_become_a_submission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, values in (("a", [0.2, 0.4]), ("b", [0.6, 0.8])):
        write_predictions(tmp_path / name, "predict", ["x", "y"], None, np.array(values), None)
    (tmp_path / "sample_submission.csv").write_text("id,label\ny,0\nx,0\n")
    words = ("runs=[a,b]", "split=predict", "kaggle=.", "hydra.run.dir=out")
    run_command(monkeypatch, tmp_path, "ensemble", *words)
    lines = (tmp_path / "out" / "submission.csv").read_text().split()
    assert lines[0] == "id,label"
    assert [line.partition(",")[0] for line in lines[1:]] == ["y", "x"]
    np.testing.assert_allclose([float(line.partition(",")[2]) for line in lines[1:]], [0.6, 0.4])
    assert not (tmp_path / "out" / "summary.json").exists()


def write_saturated(folder: Path) -> list[str]:
    """Write two members whose probabilities are all 1; return the ids in their order."""
    logits, label = saturated()
    ids = [f"p{number:02d}" for number in range(len(logits))]
    for name, values in (("a", logits), ("b", 2 * logits)):
        for split in ("valid", "test"):
            write_predictions(folder / name, split, ids, label, expit(values), None, logit=values)
    rows = ["id,label", *(f"{name},0" for name in reversed(ids))]
    (folder / "sample_submission.csv").write_text("\n".join(rows) + "\n")
    return ids


@pytest.mark.parametrize("rule", ["mean_probability", "mean_logit", "rank_mean", "weighted"])
def test_members_whose_probabilities_are_all_1_are_combined_by_their_log_odds(
    rule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = write_saturated(tmp_path)
    summary, _ = run_ensemble(
        tmp_path, monkeypatch, f"rule={rule}", "kaggle=.", members="runs=[a,b]"
    )
    assert summary["rows"]["a"]["auroc"]["value"] == pytest.approx(13 / 14)
    assert summary["rows"][rule]["auroc"]["value"] == pytest.approx(13 / 14)
    with (tmp_path / "out" / "submission.csv").open() as file:
        scores = {row["id"]: float(row["label"]) for row in csv.DictReader(file)}
    assert sorted(ids, key=scores.__getitem__) == ids
    assert len(set(scores.values())) == len(ids)
    assert all(0 < score < 1 for score in scores.values())
    warned = "submission.csv has ranks" in capsys.readouterr().err
    assert warned == (rule != "rank_mean")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("runs=[strong]", "an ensemble needs at least two members"),
        ("runs=[strong,middle] rule=best", "rule=best"),
        (
            "runs=[strong,middle] rule=weighted split=valid",
            "weights are fitted on valid, so they cannot be judged on it",
        ),
        ("runs=[strong,other]", "are predictions of different patches"),
        ("runs=[strong,middle] resamples=5", "resamples=5 must be at least 100"),
        ("", "missing key runs"),
    ],
)
def test_a_fault_is_one_line(
    words: str,
    message: str,
    folders: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    write_predictions(folders / "other", "test", ["a"], [1], [0.5], None)
    with pytest.raises(SystemExit) as stopped:
        run_command(monkeypatch, folders, "ensemble", *words.split(), "hydra.run.dir=out")
    error = capfd.readouterr().err.strip()
    assert stopped.value.code == 2
    assert error.startswith("error: ")
    assert message in error
    assert "\n" not in error
    assert not (folders / "out").exists()
