"""The median rule: a job of a sweep that is worse than half of the earlier jobs ends early.

Golovin et al. 2017 (Vizier), section 3.2.1, with the best value so far on both sides. A job ends
after an epoch if its best valid AUROC so far is below the median of the finished jobs, each taken
at its best up to the same epoch.
"""

from collections.abc import Mapping
from pathlib import Path
from statistics import median

from pcam.errors import PcamError
from pcam.runs.files import read_json, read_metrics
from pcam.runs.folder import MONITOR

Verdict = dict[str, float]


def judge(folder: Path, sweep: Path, epoch: int, min_jobs: int) -> Verdict | None:
    """Judge a job after an epoch.

    Args:
        folder: the job's run folder.
        sweep: the sweep's folder.
        epoch: the epoch that ended, from 0.
        min_jobs: how many other jobs must have finished.

    Returns:
        Why the job ends (epoch, auroc, median, jobs); None if it continues.
    """
    own = best_auroc(folder, epoch)
    others = _finished_aurocs(sweep, folder, epoch)
    if own is None or len(others) < min_jobs:
        return None
    middle = median(others)
    if own >= middle:
        return None
    return {"epoch": epoch, "auroc": own, "median": middle, "jobs": len(others)}


def describe_verdict(verdict: Mapping[str, float]) -> str:
    """Return a verdict as a sentence."""
    count = verdict["jobs"]
    jobs = "1 job" if count == 1 else f"{count} jobs"
    return (
        f"after epoch {verdict['epoch'] + 1}: valid AUROC {verdict['auroc']:.4f} is below "
        f"{verdict['median']:.4f}, the median of {jobs}"
    )


def best_auroc(folder: Path, epoch: int) -> float | None:
    """Return a run's best valid AUROC up to an epoch; None if the run did not get that far."""
    rows = read_metrics(folder / "metrics.csv")
    rows = [row for row in rows if int(row["epoch"]) <= epoch]
    if not rows or int(rows[-1]["epoch"]) != epoch:
        return None
    values = [float(row[MONITOR]) for row in rows if row.get(MONITOR)]
    numbers = [value for value in values if value == value]
    return max(numbers, default=None)


def _finished_aurocs(sweep: Path, but: Path, epoch: int) -> list[float]:
    """Return the best AUROC of each other job that finished; damaged jobs are left out."""
    found = []
    for path in sweep.rglob("summary.json"):
        if path.parent == but:
            continue
        try:
            summary = read_json(path) or {}
            value = best_auroc(path.parent, epoch)
        except (PcamError, OSError, KeyError, ValueError):
            continue
        if summary.get("pruned") is None and value is not None:
            found.append(value)
    return found
