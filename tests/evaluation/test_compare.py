"""Ensemble and compare, typed at their doors, on predictions whose figures are known."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score

from pcam.runs.folder import start_run
from pcam.runs.predictions import write_predictions
from tests.run import composed, run_command

RNG = np.random.default_rng(0)
SIZE = 300
LABEL = (RNG.random(SIZE) < 0.5).astype(np.uint8)
SLIDES = [f"s{i}" for i in RNG.integers(0, 30, SIZE)]


def scores(strength: float, seed: int) -> np.ndarray:
    return 1 / (
        1 + np.exp(-(strength * (LABEL - 0.5) + np.random.default_rng(seed).normal(size=SIZE)))
    )


MEMBERS = {"strong": scores(2.5, 1), "middle": scores(2.0, 2), "weak": scores(0.3, 3)}


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Three folders with predictions of test and valid, as a run leaves them."""
    for name, probability in MEMBERS.items():
        for split in ("test", "valid"):
            ids = [f"{split}-{i}" for i in range(SIZE)]
            order = np.random.default_rng(len(name)).permutation(
                SIZE
            )  # members list patches in orders of their own
            write_predictions(
                tmp_path / name,
                split,
                [ids[i] for i in order],
                LABEL[order],
                probability[order],
                [SLIDES[i] for i in order],
            )
    return tmp_path


def ensembled(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *words: str
) -> tuple[dict, dict[str, float]]:
    run_command(
        monkeypatch,
        folder,
        "ensemble",
        "runs=[strong,middle,weak]",
        "resamples=200",
        "hydra.run.dir=out",
        *words,
    )
    with (folder / "out" / "predictions" / "test.csv").open() as file:
        told = {row["id"]: float(row["probability"]) for row in csv.DictReader(file)}
    return json.loads((folder / "out" / "summary.json").read_text()), told


def test_the_rules_are_what_they_are_called(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy.stats import rankdata

    all_ = np.stack(list(MEMBERS.values()))
    logits = np.log(all_ / (1 - all_)).mean(0)
    known = {
        "majority_vote": (all_ >= 0.5).sum(0) >= 2,
        "mean_probability": all_.mean(0),
        "mean_logit": 1 / (1 + np.exp(-logits)),
        "rank_mean": np.mean([(rankdata(row) - 0.5) / SIZE for row in all_], axis=0),
    }
    for rule, score in known.items():
        summary, told = ensembled(folders, monkeypatch, f"rule={rule}")
        np.testing.assert_allclose(
            [told[f"test-{i}"] for i in range(SIZE)], score.astype(float), atol=1e-9
        )
        row = summary["rows"][rule]
        assert row["auroc"]["value"] == pytest.approx(roc_auc_score(LABEL, score), abs=1e-9)
        assert row["accuracy"]["value"] == pytest.approx(
            accuracy_score(LABEL, score >= 0.5), abs=1e-9
        )
        assert row["auroc_of_hard_labels"] == pytest.approx(
            balanced_accuracy_score(LABEL, score >= 0.5), abs=1e-9
        )
        assert row["auroc"]["low"] < row["auroc"]["value"] < row["auroc"]["high"]
    assert (
        summary["rows"]["majority_vote"]["auroc"]["value"]
        == summary["rows"]["majority_vote"]["auroc_of_hard_labels"]
    )
    assert set(summary["rows"]) == {*MEMBERS, *known, "weighted"}
    assert summary["over"] == "slides"


def test_weights_and_the_best_member_come_from_valid(
    folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    summary, told = ensembled(folders, monkeypatch, "rule=weighted")
    weights = summary["weights"]
    assert sum(weights.values()) == pytest.approx(1)
    assert weights["weak"] < 0.1 < weights["strong"]
    mixed = sum(weights[name] * probability for name, probability in MEMBERS.items())
    np.testing.assert_allclose([told[f"test-{i}"] for i in range(SIZE)], mixed, atol=1e-9)
    assert (summary["best_member"], summary["best_by"]) == ("strong", "valid")
    assert "difference" not in summary["rows"]["strong"]
    assert summary["rows"]["weak"]["difference"]["high"] < 0
    out = capsys.readouterr().out
    assert "the best member is chosen by valid's AUROC" in out
    assert "AUROC of 0/1: what a board gives to hard labels" in out
    (folders / "weak" / "predictions" / "valid.csv").unlink()
    summary, _ = ensembled(folders, monkeypatch)
    assert summary["weights"] is None
    assert "weighted" not in summary["rows"]
    assert "chosen by this split's AUROC: that flatters it" in capsys.readouterr().out


def test_unlabelled_members_become_a_submission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, values in (("a", [0.2, 0.4]), ("b", [0.6, 0.8])):
        write_predictions(tmp_path / name, "predict", ["x", "y"], None, np.array(values), None)
    (tmp_path / "sample_submission.csv").write_text("id,label\ny,0\nx,0\n")
    run_command(
        monkeypatch,
        tmp_path,
        "ensemble",
        "runs=[a,b]",
        "split=predict",
        "kaggle=.",
        "hydra.run.dir=out",
    )
    lines = (tmp_path / "out" / "submission.csv").read_text().split()
    assert lines[0] == "id,label"
    assert [line.partition(",")[0] for line in lines[1:]] == ["y", "x"]
    np.testing.assert_allclose([float(line.partition(",")[2]) for line in lines[1:]], [0.6, 0.4])
    assert not (tmp_path / "out" / "summary.json").exists()


def compared(folder: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> dict:
    run_command(monkeypatch, folder, "compare", "resamples=400", "hydra.run.dir=out", *words)
    return json.loads((folder / "out" / "summary.json").read_text())


def test_every_pair_is_tested_and_corrected(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = compared(folders, monkeypatch, "runs=[strong,middle,weak]")
    pairs = {(pair["first"], pair["second"]): pair for pair in summary["pairs"]}
    assert set(pairs) == {("strong", "middle"), ("strong", "weak"), ("middle", "weak")}
    known = {name: roc_auc_score(LABEL, probability) for name, probability in MEMBERS.items()}
    for (first, second), pair in pairs.items():
        assert pair["auroc"]["value"] == pytest.approx(known[first] - known[second], abs=1e-9)
        assert pair["auroc"]["p_holm"] >= pair["auroc"]["p"]
        assert "delong" not in pair  # which counts patches as independent, and these have slides
    assert pairs["strong", "weak"]["auroc"]["p_holm"] < 0.01
    against = compared(folders, monkeypatch, "runs=[strong,middle,weak]", "against=3")
    assert [(pair["first"], pair["second"]) for pair in against["pairs"]] == [
        ("strong", "weak"),
        ("middle", "weak"),
    ]


def test_patches_without_slides_get_delong_and_mcnemar_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, probability in MEMBERS.items():
        write_predictions(
            tmp_path / name, "test", list(map(str, range(SIZE))), LABEL, probability, None
        )
    (pair,) = compared(tmp_path, monkeypatch, "runs=[strong,weak]")["pairs"]
    assert pair["delong"]["value"] == pytest.approx(pair["auroc"]["value"], abs=1e-9)
    assert pair["mcnemar"]["p"] < 0.05
    assert "McNemar p (Holm)" in capsys.readouterr().out


def test_runs_that_differ_in_their_seed_alone_are_one_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for aug, strength in (("none", 0.5), ("dihedral", 2.0)):
        for seed in range(3):
            folder = tmp_path / f"{aug}-{seed}"
            start_run(folder, composed(f"aug={aug}", f"seed={seed}"))
            write_predictions(
                folder,
                "test",
                list(map(str, range(SIZE))),
                LABEL,
                scores(strength, 10 * seed + len(aug)),
                SLIDES,
            )
    seeds = compared(tmp_path, monkeypatch, "runs=[none-*,dihedral-*]")["seeds"]
    assert [group["auroc"]["runs"] for group in seeds["groups"].values()] == [3, 3]
    (pair,) = seeds["pairs"]
    means = [group["auroc"]["mean"] for group in seeds["groups"].values()]
    assert pair["auroc"]["value"] == pytest.approx(means[0] - means[1])
    assert pair["auroc"]["p"] < 0.05


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        ("ensemble", "runs=[strong]", "an ensemble has at least two members"),
        (
            "ensemble",
            "runs=[strong,middle] rule=best",
            "rule=best is not known; there is majority_vote, mean_logit",
        ),
        (
            "ensemble",
            "runs=[strong,middle] rule=weighted split=valid",
            "weights are fitted on valid, so they cannot be judged on it",
        ),
        ("ensemble", "runs=[strong,other]", "is of other patches than"),
        ("ensemble", "runs=[strong,middle] resamples=5", "resamples=5: at least 100"),
        ("ensemble", "", "runs must be given"),
        ("compare", "runs=[strong,nowhere]", "nothing is called nowhere"),
        ("compare", "runs=[strong,middle] against=3", "against=3: the runs are 1 to 2"),
        ("compare", "runs=[bare,bare2]", "these predictions come without labels"),
        ("evaluate", "run=strong", "strong holds no run: config.yaml is missing"),
        ("predict", "run=nowhere", "nowhere holds no run: config.yaml is missing"),
    ],
)
def test_what_cannot_be_is_one_line(
    name: str,
    words: str,
    said: str,
    folders: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    write_predictions(folders / "other", "test", ["a"], [1], [0.5], None)
    for bare in ("bare", "bare2"):
        write_predictions(folders / bare, "test", ["a", "b"], None, [0.5, 0.2], None)
    with pytest.raises(SystemExit) as left:
        run_command(monkeypatch, folders, name, *words.split(), "hydra.run.dir=out")
    told = capfd.readouterr().err.strip()
    assert left.value.code == 2
    assert told.startswith("error: ")
    assert said in told
    assert "\n" not in told
    assert not (folders / "out").exists()
