from dataclasses import replace

from pcam.sweeps.jobs import Job
from pcam.sweeps.labels import label_jobs
from pcam.sweeps.state import SweepRecord
from pcam.sweeps.varied import varied_values
from tests.sweeps.finished import finished_run, sweep_jobs


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
        "aug.name=dihedral_color optimizer.lr=0.0005",
        "aug.name=paper optimizer.lr=0.25",
    ]
    assert labels([first, finished_run("again")]) == ["runs/first", "runs/again"]
    assert labels([finished_run("0")]) == ["job 0"]
    twice = [*sweep_jobs("a", "seed=0", "seed=1", varied="seed"), finished_run("c", "seed=0")]
    assert len(set(labels(twice))) == 3
