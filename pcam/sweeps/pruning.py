"""The median rule: a job of a sweep that is worse than half of the earlier jobs ends early.

Golovin et al. 2017 (Vizier), section 3.2.1, with the best value so far on both sides. A job ends
after an epoch if its best valid AUROC so far is below the median of the finished jobs, each taken
at its best up to the same epoch. Where AUROCs are equal, losses decide, as in ``runs.ranking``.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from pcam.errors import PcamError
from pcam.runs.files import read_json, read_metrics
from pcam.runs.folder import MONITOR, MONITOR_LOSS
from pcam.runs.ranking import Rank, rank

Verdict = dict[str, float]


def judge(folder: Path, sweep: Path, epoch: int, min_jobs: int) -> Verdict | None:
    """Judge a job after an epoch.

    Args:
        folder: the job's run folder.
        sweep: the sweep's folder.
        epoch: the epoch that ended, from 0.
        min_jobs: how many other jobs must have finished.

    Returns:
        Why the job ends (epoch, auroc, median, jobs; at equal AUROCs loss and median_loss); None if
        it continues.
    """
    own = best_rank(folder, epoch)
    others = _finished_ranks(sweep, folder, epoch)
    if own is None or len(others) < min_jobs:
        return None
    middle = _median(others)
    if own[:2] >= middle[:2]:
        return None
    verdict: Verdict = {
        "epoch": epoch,
        "auroc": own.auroc,
        "median": middle.auroc,
        "jobs": len(others),
    }
    if own.auroc == middle.auroc:
        verdict |= {"loss": own.loss, "median_loss": middle.loss}
    return verdict


def _median(ranks: Sequence[Rank]) -> Rank:
    """Return the median of at least one rank; of an even number the mean of the middle two."""
    ordered = sorted(ranks)
    middle = ordered[(len(ordered) - 1) // 2 : len(ordered) // 2 + 1]
    auroc = fmean(one.auroc for one in middle)
    return Rank(auroc, fmean(one.negative_loss for one in middle))


def describe_verdict(verdict: Mapping[str, float]) -> str:
    """Return a verdict as a sentence."""
    count = verdict["jobs"]
    jobs = "1 job" if count == 1 else f"{count} jobs"
    start = f"after epoch {verdict['epoch'] + 1}: valid AUROC {verdict['auroc']:.4f}"
    if "loss" not in verdict:
        return f"{start} is below {verdict['median']:.4f}, the median of {jobs}"
    return (
        f"{start} is the median of {jobs}, and valid loss {verdict['loss']:.4f} is above its "
        f"{verdict['median_loss']:.4f}"
    )


def best_rank(folder: Path, epoch: int) -> Rank | None:
    """Return the rank of a run's best epoch up to an epoch.

    Returns:
        None if the run did not get that far, or has no valid AUROC.
    """
    rows = read_metrics(folder / "metrics.csv")
    rows = [row for row in rows if int(row["epoch"]) <= epoch]
    if not rows or int(rows[-1]["epoch"]) != epoch:
        return None
    best = max(_row_rank(row) for row in rows)
    return None if best.auroc == -math.inf else best


def _row_rank(row: Mapping[str, str]) -> Rank:
    auroc, loss = row.get(MONITOR) or "nan", row.get(MONITOR_LOSS) or "nan"
    return rank(float(auroc), float(loss), int(row["epoch"]))


def _finished_ranks(sweep: Path, but: Path, epoch: int) -> list[Rank]:
    """Return the best rank of each other job that finished; damaged jobs are left out."""
    found = []
    for path in sweep.rglob("summary.json"):
        if path.parent == but:
            continue
        try:
            summary = read_json(path) or {}
            best = best_rank(path.parent, epoch)
        except (PcamError, OSError, KeyError, ValueError):
            continue
        if summary.get("pruned") is None and best is not None:
            found.append(best)
    return found
