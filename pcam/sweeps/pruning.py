"""The median rule: a job of a sweep that is worse than half of those before it ends early.

Golovin et al. 2017 (Vizier), section 3.2.1, with the best figure so far on both sides: a job ends after an epoch if its best
valid AUROC up to then is below the median, over the sweep's jobs that ran to their end, of theirs up to that epoch.
"""

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from pcam.errors import RunError
from pcam.runs.files import read_json, read_metrics
from pcam.runs.folder import MONITOR


def judge(folder: Path, sweep: Path, epoch: int, least: int) -> dict[str, Any] | None:
    """Judge a job after an epoch.

    Args:
        folder: the job's.
        sweep: the sweep's.
        epoch: from 0.
        least: how many others must have run to their end.

    Returns:
        Why it is to end: epoch, auroc, median and jobs; None where it is to go on.
    """
    others = []
    for path in sweep.rglob("summary.json"):
        try:
            if path.parent != folder and (read_json(path) or {}).get("pruned") is None:
                others.append(best(path.parent, epoch))
        except (RunError, OSError, KeyError, ValueError):  # damaged: it says nothing
            continue
    known = [figure for figure in others if figure is not None]
    own = best(folder, epoch)
    if own is None or len(known) < least or own >= median(known):
        return None
    return {"epoch": epoch, "auroc": own, "median": median(known), "jobs": len(known)}


def describe_verdict(verdict: Mapping[str, Any]) -> str:
    """Return a verdict in words."""
    jobs = f"{verdict['jobs']} job{'s' * (verdict['jobs'] != 1)}"
    below = f"{verdict['auroc']:.4f} is below {verdict['median']:.4f}, the median of {jobs}"
    return f"after epoch {verdict['epoch'] + 1}: valid AUROC {below}"


def best(folder: Path, epoch: int) -> float | None:
    """Return the best valid AUROC of a run up to an epoch; None where it did not get so far."""
    rows = [row for row in read_metrics(folder / "metrics.csv") if int(row["epoch"]) <= epoch]
    figures = [float(row[MONITOR]) for row in rows if row.get(MONITOR)]
    known = [figure for figure in figures if figure == figure]
    return max(known) if known and int(rows[-1]["epoch"]) == epoch else None
