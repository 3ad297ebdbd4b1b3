"""The report on sweeps and runs: what was run, the study's tables from it, and what is missing."""

from collections.abc import Sequence
from dataclasses import dataclass

from pcam.config.schema import ReportConfig
from pcam.reporting.comparison import Study
from pcam.reporting.page import Part, Section
from pcam.reporting.sections.commands import build_commands
from pcam.reporting.sections.curves import build_curves
from pcam.reporting.sections.differences import build_differences
from pcam.reporting.sections.frozen import build_frozen
from pcam.reporting.sections.jobs import build_jobs, list_figures
from pcam.reporting.sections.overview import build_lead, build_title
from pcam.reporting.sections.pictures import build_maps, build_other_pictures
from pcam.reporting.sections.searches import build_searches
from pcam.reporting.sections.table1 import build_table1
from pcam.reporting.sections.table2 import build_table2
from pcam.reporting.sections.table3 import build_table3
from pcam.reporting.sections.unfinished import build_unfinished, list_unfinished
from pcam.sweeps.grouping import group_by_config, label_jobs
from pcam.sweeps.jobs import Job, find_jobs


@dataclass(frozen=True)
class Report:
    """A report, ready to be written.

    Attributes:
        title: of the page.
        lead: parts before the first section.
        tables: the sections with the jobs and the study's tables, which a terminal shows too.
        details: the sections after them.
        figures: rows of figures.csv.
        jobs: how many there are.
        unfinished: labels of the jobs that did not finish.
    """

    title: str
    lead: list[Part]
    tables: list[Section]
    details: list[Section]
    figures: list[list[object]]
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
    details = [
        build_curves(study),
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
        jobs=len(jobs),
        unfinished=[job.label for job in list_unfinished(jobs)],
    )


def build_tables(study: Study) -> list[Section]:
    """Return the study's tables and the differences, as far as there are runs for them."""
    jobs = [job for job in study.finished if not job.from_search]
    if not jobs:
        jobs = study.finished  # trials only; otherwise they have just their own section
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
    if not summaries or any(split in summary for summary in summaries):
        return split
    return "valid"


def drop_repeats(jobs: Sequence[Job]) -> tuple[list[Job], list[str]]:
    """Leave out runs that repeat another, seed included: they are no independent sample.

    Returns:
        The other jobs, and a sentence about each that was left out.
    """
    finished = [job for job in jobs if job.state == "finished"]
    finished.sort(key=lambda job: job.from_search)
    first = {}
    for _, equal in group_by_config(finished, ()):
        for job in equal[1:]:
            first[job.folder] = equal[0]
    counted = [job for job in jobs if job.folder not in first]
    sentences = [
        f"{job.label} repeats {first[job.folder].label}" for job in jobs if job.folder in first
    ]
    return counted, sentences
