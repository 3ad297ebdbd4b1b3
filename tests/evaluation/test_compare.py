"""``pcam.compare`` on predictions whose quality is known."""

import json
from pathlib import Path

import pytest
from sklearn.metrics import roc_auc_score

from pcam.evaluation.compare import group_repeats
from pcam.runs.folder import start_run
from pcam.runs.identity import Relation
from pcam.runs.predictions import write_predictions
from tests.evaluation.members import LABEL, MEMBERS, SIZE, SLIDES, scores
from tests.run import composed, run_command
from tests.runs.pairs import COMMON, PAIRS


def run_compare(folder: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> dict:
    """Run the command; return the summary."""
    run_command(monkeypatch, folder, "compare", "resamples=400", "hydra.run.dir=out", *words)
    return json.loads((folder / "out" / "summary.json").read_text())


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


def write_run(folder: Path, words: list[str], strength: float = 1.0, seed: int = 0) -> Path:
    """Write a run folder with a config and predictions of test; return the predictions."""
    start_run(folder, composed(*words))
    ids = [str(i) for i in range(SIZE)]
    write_predictions(folder, "test", ids, LABEL, scores(strength, seed), SLIDES)
    return folder / "predictions" / "test.csv"


def test_runs_that_differ_only_in_their_seed_are_one_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for aug, strength in (("none", 0.5), ("dihedral", 2.0)):
        for seed in range(3):
            words = [f"aug={aug}", f"seed={seed}"]
            write_run(tmp_path / f"{aug}-{seed}", words, strength, 10 * seed + len(aug))
    seeds = run_compare(tmp_path, monkeypatch, "runs=[none-*,dihedral-*]")["seeds"]
    assert [group["auroc"]["runs"] for group in seeds["groups"].values()] == [3, 3]
    (pair,) = seeds["pairs"]
    means = [group["auroc"]["mean"] for group in seeds["groups"].values()]
    assert pair["auroc"]["value"] == pytest.approx(means[0] - means[1])
    assert pair["auroc"]["p"] < 0.05


@pytest.mark.parametrize("word", PAIRS)
def test_groups_follow_the_identity_of_runs(word: str, tmp_path: Path) -> None:
    paths = [write_run(tmp_path / "a", COMMON), write_run(tmp_path / "b", [*COMMON, word])]
    groups = group_repeats(paths, ["a", "b"])
    if PAIRS[word] is Relation.DIFFERENT:
        assert groups == {}
    else:
        assert list(groups.values()) == [["a", "b"]]


def test_groups_with_equal_names_are_kept_apart(tmp_path: Path) -> None:
    paths, names = [], []
    for ema in ("null", "0.9"):
        for seed in (0, 1):
            words = [f"trainer.ema={ema}", f"seed={seed}"]
            paths.append(write_run(tmp_path / f"{ema}-{seed}", words))
            names.append(f"small dihedral seed {seed}")
    assert list(group_repeats(paths, names)) == [
        "small dihedral (2 seeds)",
        "small dihedral (2 seeds) #2",
    ]


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
