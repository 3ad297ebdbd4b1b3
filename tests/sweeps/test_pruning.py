"""The median rule, and what a damaged job does to it."""

from pathlib import Path
from typing import Any

import pytest

from pcam.runs.files import write_csv, write_json
from pcam.sweeps import pruning
from tests.conftest import SMALL, TINY
from tests.run import train

STUDY = [
    *(*TINY, *SMALL, "trainer.max_epochs=4", "trainer.accelerator=cpu"),
    *("trainer.prune.after=2", "trainer.prune.jobs=3"),
]


def finish_job(
    sweep: Path, name: str, aurocs: list[float], pruned: dict[str, Any] | None = None
) -> None:
    """Write what a finished job leaves."""
    write_csv(sweep / name / "metrics.csv", ("epoch", "valid/auroc"), enumerate(aurocs))
    write_json(sweep / name / "summary.json", {"pruned": pruned})


def test_a_damaged_job_is_not_part_of_the_median(tmp_path: Path) -> None:
    for number, auroc in enumerate((0.9, 0.8, 0.7, 0.1)):
        finish_job(tmp_path, str(number), [auroc])
    (tmp_path / "0" / "summary.json").write_text('{"pruned": ')
    (tmp_path / "1" / "metrics.csv").write_text("epoch,valid/auroc\nx,0.8\n")
    verdict = pruning.judge(tmp_path / "3", tmp_path, epoch=0, min_jobs=1)
    assert verdict == {"epoch": 0, "auroc": 0.1, "median": 0.7, "jobs": 1}
    assert pruning.describe_verdict(verdict) == (
        "after epoch 1: valid AUROC 0.1000 is below 0.7000, the median of 1 job"
    )


def test_a_job_is_compared_with_finished_jobs_at_the_same_epoch(tmp_path: Path) -> None:
    finish_job(tmp_path, "own", [0.5, 0.4])
    finish_job(tmp_path, "0", [0.2, 0.0, 0.9])
    finish_job(tmp_path, "1", [0.6, 0.0, 0.9])  # its best so far counts, as the job's own does
    finish_job(tmp_path, "2", [0.9, 0.9], pruned={})  # ended early itself
    finish_job(tmp_path, "3", [0.9])  # did not get that far
    own = tmp_path / "own"
    assert pruning.judge(own, tmp_path, epoch=1, min_jobs=3) is None  # too few jobs
    assert pruning.judge(own, tmp_path, epoch=1, min_jobs=2) is None  # better than the median
    finish_job(tmp_path, "4", [0.7, 0.7])
    verdict = pruning.judge(own, tmp_path, epoch=1, min_jobs=2)
    assert verdict == {"epoch": 1, "auroc": 0.5, "median": 0.6, "jobs": 3}


@pytest.mark.parametrize(
    ("loss", "pruned"), [(0.3, None), (0.2, None), (0.31, {"loss": 0.31, "median_loss": 0.3})]
)
def test_at_the_median_auroc_the_loss_decides(
    loss: float, pruned: dict[str, float] | None, tmp_path: Path
) -> None:
    for name, own in {"own": loss, "0": 0.1, "1": 0.3, "2": 0.5}.items():
        columns = ("epoch", "valid/auroc", "valid/loss")
        write_csv(tmp_path / name / "metrics.csv", columns, [(0, 1.0, own)])
        write_json(tmp_path / name / "summary.json", {"pruned": None})
    verdict = pruning.judge(tmp_path / "own", tmp_path, epoch=0, min_jobs=3)
    if pruned is None:
        assert verdict is None
    else:
        assert verdict == {"epoch": 0, "auroc": 1.0, "median": 1.0, "jobs": 3, **pruned}
        assert pruning.describe_verdict(verdict) == (
            "after epoch 1: valid AUROC 1.0000 is the median of 3 jobs, "
            "and valid loss 0.3100 is above its 0.3000"
        )


@pytest.mark.slow
def test_the_median_rule_ends_a_training(tmp_path: Path) -> None:
    write_json(tmp_path / "sweep.json", {"words": []})
    finish_job(tmp_path, "0", [0.2, 0.0, 0.9, 0.9])
    finish_job(tmp_path, "1", [1.0, 0.0, 0.9, 0.9])
    finish_job(tmp_path, "2", [1.0, 1.0], pruned={})
    assert train(tmp_path / "few", *STUDY)["pruned"] is None
    write_json(tmp_path / "few" / "summary.json", {"pruned": {}})
    finish_job(tmp_path, "3", [0.0, 0.1, 0.9, 0.9])
    # Its last epoch: there is nothing to end.
    assert train(tmp_path / "good", *STUDY, "trainer.max_epochs=3")["pruned"] is None
    write_json(tmp_path / "good" / "summary.json", {"pruned": {}})
    finish_job(tmp_path, "4", [1.0, 1.0, 1.0, 1.0])
    finish_job(tmp_path, "5", [1.0, 1.0, 1.0, 1.0])
    folder = tmp_path / "bad"
    summary = train(folder, *STUDY)
    verdict = summary["pruned"]
    assert (verdict["epoch"], verdict["median"], verdict["jobs"]) == (1, 1.0, 5)
    assert verdict["auroc"] == pytest.approx(summary["valid"]["auroc"]["value"], abs=1e-5)
    assert summary["epochs"] == 2
    (folder / "summary.json").unlink()  # killed after the verdict, before the summary
    again = train(folder, *STUDY, resume=True)
    assert (again["pruned"], again["epochs"]) == (verdict, 2)
