"""The report on sweeps and runs: what was run, the study's tables from it, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pcam.config.schema import ReportConfig
from pcam.reporting.page import Part, Section
from pcam.reporting.sections.commands import build_commands
from pcam.reporting.sections.curves import build_curves
from pcam.reporting.sections.differences import build_differences
from pcam.reporting.sections.frozen import build_frozen
from pcam.reporting.sections.galleries import build_galleries
from pcam.reporting.sections.jobs import build_jobs, list_figures
from pcam.reporting.sections.overview import build_lead, build_title
from pcam.reporting.sections.pictures import build_maps, build_other_pictures
from pcam.reporting.sections.searches import build_searches
from pcam.reporting.sections.table1 import build_table1
from pcam.reporting.sections.table2 import build_table2
from pcam.reporting.sections.table3 import build_table3
from pcam.reporting.sections.unfinished import build_unfinished, list_unfinished
from pcam.reporting.study import Study
from pcam.sweeps.grouping import group_by_config
from pcam.sweeps.jobs import Job, find_jobs
from pcam.sweeps.labels import label_jobs

if TYPE_CHECKING:
    from pcam.galleries.gallery import Gallery


@dataclass(frozen=True)
class Report:
    """A report, ready to be written.

    Attributes:
        title: of the page.
        lead: parts before the first section.
        tables: the sections with the jobs and the study's tables, which a terminal shows too.
        details: the sections after them.
        figures: rows of figures.csv.
        galleries: by the names of their pages.
        jobs: how many there are.
        unfinished: labels of the jobs that did not finish.
    """

    title: str
    lead: list[Part]
    tables: list[Section]
    details: list[Section]
    figures: list[list[object]]
    galleries: dict[str, Gallery]
    jobs: int
    unfinished: list[str]

    @property
    def sections(self) -> list[Section]:
        """All sections, in the order of the page."""
        return [*self.tables, *self.details]


def build_report(config: ReportConfig) -> Report:
    """Gather sweeps and runs into a report.

    Raises:
        PcamError: a folder is neither a sweep nor a run, or is damaged.
    """
    jobs = label_jobs(find_jobs(config.runs))
    counted, repeats = drop_repeats(jobs)
    study = Study(counted, available_split(jobs, config.split), config.resamples, config.seed)
    tables = [build_jobs(jobs, study.split), *build_tables(study)]
    linked, galleries = build_galleries(study, config.gallery)
    details = [
        build_curves(study),
        linked,
        *build_searches(jobs),
        build_maps(jobs),
        build_other_pictures(config.also),
        build_unfinished(jobs),
        build_commands(jobs, study, config),
    ]
    return Report(
        title=build_title(config.title, jobs),
        lead=build_lead(jobs, study, repeats),
        tables=[section for section in tables if section.parts],
        details=[section for section in details if section.parts],
        figures=list_figures(counted, study.split),
        galleries=galleries,
        jobs=len(jobs),
        unfinished=[job.label for job in list_unfinished(jobs)],
    )


def build_tables(study: Study) -> list[Section]:
    """Return the study's tables and the differences, as far as there are runs for them.

    Trials of searches have their own sections, so they are in the tables only without other runs.
    """
    jobs = [job for job in study.finished if not job.from_search]
    if not jobs:
        jobs = study.finished
    return [
        build_table1(jobs),
        build_frozen(study, jobs),
        build_table2(study, jobs),
        build_table3(study, jobs),
        build_differences(study, jobs),
    ]


def available_split(jobs: Sequence[Job], split: str) -> str:
    """Return the split whose figures are shown.

    Args:
        jobs: all of them.
        split: that was asked for.

    Returns:
        The same, or "valid" if no job has figures of it, as for data without labels of test.
    """
    summaries = [job.summary for job in jobs if job.summary is not None]
    with_split = [summary for summary in summaries if split in summary]
    if with_split or not summaries:
        return split
    return "valid"


def drop_repeats(jobs: Sequence[Job]) -> tuple[list[Job], list[str]]:
    """Leave out runs that repeat another, seed included: they are no independent sample.

    A run outside of searches counts before a trial.

    Returns:
        The other jobs, and a sentence about each that was left out.
    """
    finished = [job for job in jobs if job.state == "finished"]
    finished.sort(key=lambda job: job.from_search)
    original: dict[Path, Job] = {}
    for _, equal in group_by_config(finished, ()):
        first, *repeats = equal
        original |= dict.fromkeys([job.folder for job in repeats], first)
    counted, sentences = [], []
    for job in jobs:
        if job.folder in original:
            sentences.append(f"{job.label} repeats {original[job.folder].label}")
        else:
            counted.append(job)
    return counted, sentences
