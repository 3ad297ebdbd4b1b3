"""Groups of runs that differ only in their seed."""

from pathlib import Path

import pytest

from pcam.evaluation.groups import group_repeats
from pcam.runs.folder import start_run
from pcam.runs.identity import Relation
from pcam.runs.predictions import write_predictions
from tests.evaluation.comparing import run_compare
from tests.evaluation.members import LABEL, SIZE, SLIDES, scores
from tests.run import composed
from tests.runs.pairs import COMMON, PAIRS


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
