"""Names and groups of runs at a dashboard."""

from pathlib import Path

from pcam.runs.files import write_json
from pcam.training.names import run_group, run_name
from tests.run import composed


def write_sweep(folder: Path, **content: object) -> Path:
    """Write the record of a sweep; return the folder of its job 1."""
    write_json(folder / "sweep.json", {"words": [], "command": "train", **content})
    (folder / "1").mkdir()
    return folder / "1"


def test_names_of_a_sweep_s_runs(tmp_path: Path) -> None:
    jobs = [["model=vgg16", "seed=0"], ["model=vgg16", "seed=1"]]
    words = ["experiment=table1", "model=vgg16", "seed=0,1"]
    job = write_sweep(tmp_path / "multirun" / "day" / "time", jobs=jobs, words=words)
    assert run_name(composed(), job) == "seed=1"
    assert run_group(job) == "table1 day/time"


def test_names_of_a_search_s_runs(tmp_path: Path) -> None:
    job = write_sweep(tmp_path / "search", jobs=None, varied=["optimizer.lr", "aug"])
    name = run_name(composed("optimizer.lr=0.01", "aug=paper"), job)
    assert name == "trial 1: optimizer.lr=0.01 aug=paper"
    assert run_group(job) == "search"


def test_a_run_that_is_not_part_of_a_sweep_has_no_group(tmp_path: Path) -> None:
    assert run_group(tmp_path) is None
    assert run_name(composed(), tmp_path / "tried") == "resnet10t tried"
