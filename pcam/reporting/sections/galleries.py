"""The galleries of the best runs: pages beside the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pcam.errors import PcamError
from pcam.reporting.page import Link, Part, Section, Text
from pcam.reporting.study import Study, best_by_valid
from pcam.sweeps.jobs import Job

if TYPE_CHECKING:
    from pcam.galleries.gallery import Gallery

NAME = "gallery-"  # of a page, before its number


def build_galleries(study: Study, count: int) -> tuple[Section, dict[str, Gallery]]:
    """Return the section with the links, and the galleries by the names of their pages.

    Args:
        study: the jobs that count.
        count: patches of a group, at most; 0 for no galleries.
    """
    parts: list[Part] = []
    galleries: dict[str, Gallery] = {}
    for job in best_jobs(study.finished) if count else []:
        found = _gallery_of(job, study, count)
        if isinstance(found, str):
            parts.append(Text(f"{job.label}: no gallery, because {found}"))
            continue
        name = f"{NAME}{len(galleries) + 1}"
        galleries[name] = found
        parts.append(Link(f"{job.network}: {job.label}", f"{name}.html"))
    if parts:
        parts.insert(0, Text("Patches of the best run of each network, with maps.", "soft"))
    return Section("Galleries", parts), galleries


def best_jobs(jobs: Sequence[Job]) -> list[Job]:
    """Return the best job of each network by its valid split, in the order of the networks.

    Args:
        jobs: with summaries.
    """
    by_network: dict[str, list[Job]] = {}
    for job in jobs:
        by_network.setdefault(job.network, []).append(job)
    return [group[best_by_valid(group)] for group in by_network.values()]


def _gallery_of(job: Job, study: Study, count: int) -> Gallery | str:
    """Return the gallery of a job, or why there is none."""
    from pcam.galleries.saved import gallery_of_predictions

    predictions = study.predictions(job)
    if predictions is None:
        return f"it has no predictions of {study.split} that can be read"
    try:
        return gallery_of_predictions(job.folder, study.split, predictions, count)
    except PcamError as error:
        return str(error)
