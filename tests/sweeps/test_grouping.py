import pytest

from pcam.runs.identity import Relation
from pcam.sweeps.grouping import group_by_config, group_repeats
from pcam.sweeps.labels import label_jobs
from tests.runs.pairs import COMMON, PAIRS
from tests.sweeps.finished import finished_run


def test_groups_are_labelled_by_what_distinguishes_them() -> None:
    words = (
        ["seed=0"],
        ["seed=1"],
        ["optimizer.lr=0.25"],
        ["aug=paper"],
        ["aug=paper", "aug.hue=0"],
    )
    jobs = [finished_run(str(i), *some) for i, some in enumerate(words)]
    groups = group_by_config(jobs, ("seed", "splits.seed"))
    assert [(label, len(members)) for label, members in groups] == [
        ("aug=dihedral_color, optimizer.lr=0.0005", 2),
        ("aug=dihedral_color, optimizer.lr=0.25", 1),
        ("aug=paper, aug.hue=0.1, optimizer.lr=0.0005", 1),
        ("aug=paper, aug.hue=0, optimizer.lr=0.0005", 1),
    ]
    without_aug = group_by_config(jobs, ("seed", "splits.seed", "aug"))
    assert [len(members) for _, members in without_aug] == [4, 1]


def test_groups_of_repeats_say_how_many_seeds_they_have() -> None:
    jobs = label_jobs(
        [
            finished_run("0", "seed=0", "aug=none"),
            finished_run("1", "seed=1", "aug=none"),
            finished_run("2", "seed=0"),
        ]
    )
    groups = group_repeats(jobs)
    assert [len(members) for members in groups.values()] == [2, 1]
    assert next(iter(groups)) == "aug.name=none (2 seeds)"


@pytest.mark.parametrize(("word", "relation"), PAIRS.items())
def test_the_report_groups_runs_as_their_identity_says(word: str, relation: Relation) -> None:
    if word.startswith("trainer.precision"):
        pytest.skip("the summary says which precision a run had")
    jobs = label_jobs([finished_run("a", *COMMON), finished_run("b", *COMMON, word)])
    assert (len(group_repeats(jobs)) == 1) == (relation is not Relation.DIFFERENT)
    assert (len(group_by_config(jobs, ())) == 1) == (relation is Relation.SAME)
