"""Table 3: the networks and their vote."""

from pathlib import Path

import numpy as np
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from tests.reporting.fakes import make_report, read_rows


def test_one_run_of_each_network_and_their_votes_by_hand(sweep: Path, tmp_path: Path) -> None:
    make_report(tmp_path / "out", sweep)
    rows = {row[""]: row for row in read_rows(tmp_path / "out" / "table3.csv")}
    chosen = rows["test_resnet in place of ResNet-50 (smoke)"]
    assert chosen["run"] == "recipe=resnet50 aug=dihedral seed=0"
    members = [read_rows(sweep / number / "predictions" / "test.csv") for number in ("0", "4")]
    label = np.array([int(row["label"]) for row in members[0]])
    probability = np.array([[float(row["probability"]) for row in member] for member in members])
    hard = probability >= 0.5
    accuracy = balanced_accuracy_score(label, hard[0])
    assert chosen["AUROC of hard labels"] == f"{accuracy:.3f}"
    majority = rows["majority vote of hard labels"]
    assert majority["the study"] == "0.89"
    mean = probability.mean(0)
    vote = np.where(hard[0] == hard[1], hard[0], mean >= 0.5)  # a tie is decided by the mean
    assert majority["AUROC"].startswith(f"{roc_auc_score(label, vote):.3f} [")
    averaged = rows["mean probability"]
    assert averaged["AUROC"].startswith(f"{roc_auc_score(label, mean):.3f} [")
    accuracy = balanced_accuracy_score(label, mean >= 0.5)
    assert averaged["AUROC of hard labels"] == f"{accuracy:.3f}"
    assert rows["mean rank"]["AUROC of hard labels"] == ""
    assert all(row["p (Holm)"] for row in rows.values() if not row["run"])


def test_one_network_has_no_vote(sweep: Path, tmp_path: Path) -> None:
    make_report(tmp_path / "out", sweep / "0", sweep / "2")
    assert not (tmp_path / "out" / "table3.csv").exists()
