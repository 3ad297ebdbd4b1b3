from dataclasses import replace
from pathlib import Path

import pytest

from pcam.runs.identity import Relation
from pcam.sweeps.grouping import (
    format_value,
    group_by_config,
    group_repeats,
    label_jobs,
    varied_keys,
    varied_values,
)
from pcam.sweeps.jobs import Job
from pcam.sweeps.state import SweepRecord
from tests.run import composed, summary_with
from tests.runs.pairs import COMMON, PAIRS


def finished_run(folder: str, *words: str) -> Job:
    """Return a single run as ``find_jobs`` reads it."""
    summary = summary_with(0.9, 0.8)
    return Job(Path("/runs") / folder, "finished", config=composed(*words), summary=summary)


def sweep_jobs(name: str, *overrides: str, varied: str) -> list[Job]:
    """Return the jobs of a sweep over one key."""
    words = [[word] for word in overrides]
    record: SweepRecord = {"words": list(overrides), "jobs": words, "varied": [varied]}
    jobs = []
    for number, override in enumerate(overrides):
        job = finished_run(f"{name}/{number}", override)
        jobs.append(replace(job, sweep=record, overrides=("model=small", override)))
    return jobs


def labels(jobs: list[Job]) -> list[str]:
    return [job.label for job in label_jobs(jobs)]


def test_the_jobs_of_a_sweep_are_labelled_by_their_overrides() -> None:
    jobs = sweep_jobs("a", "seed=0", "seed=1", varied="seed")
    assert labels(jobs) == ["seed=0", "seed=1"]
    assert [varied_values(job) for job in jobs] == [{"seed": 0}, {"seed": 1}]
    two_sweeps = [*jobs, *sweep_jobs("b", "aug=none", "aug=paper", varied="aug")]
    assert labels(two_sweeps) == ["a seed=0", "a seed=1", "b aug=none", "b aug=paper"]
    assert varied_values(two_sweeps[3]) == {"aug": "paper"}


def test_the_trials_of_a_search_are_labelled_by_all_that_it_proposed() -> None:
    record: SweepRecord = {"words": [], "jobs": None, "trials": 2, "varied": ["optimizer.lr"]}
    trial = finished_run("s/1", "optimizer.lr=0.25")
    trial = replace(trial, sweep=record, overrides=("optimizer.lr=0.25",))
    assert labels([trial]) == ["trial 1: optimizer.lr=0.25"]


def test_single_runs_are_labelled_by_the_keys_that_differ() -> None:
    first = finished_run("first", "data.num_workers=2")
    second = finished_run("second", "aug=paper", "optimizer.lr=0.25")
    assert labels([first, second]) == [
        "aug.name=dihedral optimizer.lr=0.0005",
        "aug.name=paper optimizer.lr=0.25",
    ]
    assert labels([first, finished_run("again")]) == ["runs/first", "runs/again"]
    assert labels([finished_run("0")]) == ["job 0"]
    twice = [*sweep_jobs("a", "seed=0", "seed=1", varied="seed"), finished_run("c", "seed=0")]
    assert len(set(labels(twice))) == 3


def test_the_choice_of_a_group_represents_its_keys() -> None:
    assert varied_keys([composed(), composed("aug=paper")]) == ["aug.name"]
    assert varied_keys([composed(), composed("seed=1")]) == ["seed"]
    places = [composed("data=pcam"), composed("data=pcam", "data.root=/x", "trainer=cpu")]
    assert varied_keys(places) == []


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
        ("aug=dihedral, optimizer.lr=0.0005", 2),
        ("aug=dihedral, optimizer.lr=0.25", 1),
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


def test_values_are_short() -> None:
    assert [format_value(value) for value in (0.00012345, 3, "a", None)] == [
        "0.000123",
        "3",
        "a",
        "None",
    ]
