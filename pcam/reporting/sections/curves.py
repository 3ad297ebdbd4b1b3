"""Curves of training, ROC and calibration; a run has one colour in all of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pcam.reporting import plots
from pcam.reporting.page import Part, Picture, Section
from pcam.reporting.plots import OperatingLines, TrainingLines
from pcam.reporting.study import Study
from pcam.stats.curves import Curve, Reliability, operating_curves, reliability
from pcam.sweeps.grouping import group_repeats
from pcam.sweeps.jobs import Job

RESAMPLES = 100  # the bands of the curves are not drawn, so few are enough


def build_curves(study: Study) -> Section:
    """Return the figures of training and of ROC and calibration that there are runs for.

    Args:
        study: whose jobs are drawn, each group of repeats in the same colour in all figures.
    """
    colours = _colours([job for job in study.jobs if _is_drawn(study, job)])
    parts: list[Part] = []
    training = _training_lines([job for job in study.jobs if job.rows], colours)
    if training:
        content = plots.plot_training(training, "training")
        parts.append(Picture("training.png", content, "losses and valid AUROC by epoch"))
    operating = _operating_lines(study, colours)
    if operating:
        content = plots.plot_operating(operating, study.split)
        parts.append(Picture("operating.png", content, f"ROC and calibration, {study.split}"))
    return Section("Curves", parts)


def _is_drawn(study: Study, job: Job) -> bool:
    """Return whether a job is in any figure."""
    return bool(job.rows) or _has_predictions(study, job)


def _has_predictions(study: Study, job: Job) -> bool:
    return study.predictions(job) is not None


def _colours(jobs: Sequence[Job]) -> dict[Path, int]:
    """Return the number of each job's colour, by its folder.

    Args:
        jobs: that are drawn; repeats have the same colour.
    """
    colours = {}
    for number, repeats in enumerate(group_repeats(jobs).values()):
        for job in repeats:
            colours[job.folder] = number
    return colours


def _training_lines(jobs: Sequence[Job], colours: Mapping[Path, int]) -> dict[str, TrainingLines]:
    """Return the lines of each group of repeats.

    Args:
        jobs: with rows of metrics.csv.
        colours: number of each job's colour, by its folder.

    Returns:
        The lines by the group's label.
    """
    lines = {}
    for name, repeats in group_repeats(jobs).items():
        colour = colours[repeats[0].folder]
        lines[name] = TrainingLines(colour, [job.rows for job in repeats])
    return lines


def _operating_lines(study: Study, colours: Mapping[Path, int]) -> dict[str, OperatingLines]:
    """Return ROC and reliability of each group of repeats.

    Args:
        study: whose finished jobs with predictions are shown.
        colours: number of each job's colour, by its folder.

    Returns:
        The lines by the group's label.
    """
    predicted = [job for job in study.finished if _has_predictions(study, job)]
    lines = {}
    for name, repeats in group_repeats(predicted).items():
        colour = colours[repeats[0].folder]
        curves = [_curves(study, job) for job in repeats]
        lines[name] = OperatingLines(colour, curves)
    return lines


def _curves(study: Study, job: Job) -> tuple[Curve, Reliability]:
    """Return a job's ROC and reliability."""
    found = study.predictions(job)
    assert found is not None
    assert found.label is not None
    actual = (found.label, found.slides)
    roc = operating_curves(found.logit, *actual, resamples=RESAMPLES, seed=study.seed)["roc"]
    bins = reliability(found.probability, *actual, resamples=RESAMPLES, seed=study.seed)
    return roc, bins
