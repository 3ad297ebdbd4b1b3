"""The best trial of a search, as optimization_results.yaml names it."""

import logging
from pathlib import Path

import yaml

from pcam.runs.files import write_file
from pcam.runs.ranking import rank_summary
from pcam.runs.trees import read_yaml_file
from pcam.sweeps.jobs import Job, find_jobs
from pcam.sweeps.varied import varied_values

log = logging.getLogger(__name__)

RESULTS = "optimization_results.yaml"  # Optuna's: best_params and best_value


def name_best_trial(folder: Path) -> None:
    """Correct the results of a search if several trials have the highest AUROC.

    Optuna takes the first of them; the best is the one with the lowest NLL on valid.

    Args:
        folder: the search's.
    """
    path = folder / RESULTS
    best = best_trial(folder)
    if best is None or not path.is_file():
        return
    results = read_yaml_file(path)
    if not isinstance(results.get("best_params"), dict):
        return
    values = varied_values(best)
    params = {key: values.get(key, value) for key, value in results["best_params"].items()}
    if params == results["best_params"] or _auroc(best) != results.get("best_value"):
        return
    results["best_params"] = params
    write_file(path, yaml.safe_dump(results, sort_keys=False))
    log.info(
        "Several trials have this value; the best by NLL on valid is trial %s: %s",
        best.folder.name,
        params,
    )


def best_trial(folder: Path) -> Job | None:
    """Return the best trial of a search by valid; None if none has a valid AUROC.

    Args:
        folder: the search's.
    """
    scored = []
    for job in find_jobs(str(folder)):
        if job.summary is not None and _auroc(job) is not None:
            scored.append(job)
    return max(scored, key=_rank, default=None)


def _rank(job: Job) -> tuple[float, ...]:
    assert job.summary is not None
    return rank_summary(job.summary)


def _auroc(job: Job) -> float | None:
    assert job.summary is not None
    value: float | None = job.summary["valid"]["auroc"]["value"]
    return value
