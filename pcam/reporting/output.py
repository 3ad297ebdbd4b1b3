"""The files of a report, and its text for the terminal."""

from pathlib import Path

from pcam.reporting.cells import count_jobs
from pcam.reporting.html import render_html
from pcam.reporting.markdown import render_markdown
from pcam.reporting.page import Part, Picture, Table, unfold
from pcam.reporting.report import Report
from pcam.reporting.sections.jobs import FIGURES_HEAD
from pcam.runs.files import write_csv, write_file

# What an earlier report may have left in the same folder.
TABLES = ("jobs", "table1", "frozen", "table2", "table3", "differences", "unfinished", "figures")
PICTURES = ("training", "operating", "search-*", "maps-*", "also-*")


def write_report(report: Report, folder: Path) -> Path:
    """Write report.html, report.md, figures and csv files; those of an earlier report are deleted.

    Args:
        report: to write.
        folder: where to.

    Returns:
        The HTML page.
    """
    page = folder / "report.html"
    if page.is_file():
        delete_results(folder)
    write_file(page, render_html(report.title, report.lead, report.sections))
    markdown = render_markdown(report.title, report.lead, report.sections)
    write_file(folder / "report.md", markdown)
    for section in report.sections:
        for part in unfold(section.parts):
            _write_part(part, folder)
    write_csv(folder / "figures.csv", FIGURES_HEAD, report.figures)
    return page


def _write_part(part: Part, folder: Path) -> None:
    """Write a picture, or a table with a name; other parts have no file of their own."""
    match part:
        case Picture():
            write_file(folder / "figures" / part.name, part.content)
        case Table() if part.name:
            write_csv(folder / f"{part.name}.csv", part.head, part.rows)


def delete_results(folder: Path) -> None:
    """Delete the tables and pictures of an earlier report.

    Args:
        folder: of that report; other files in it stay.
    """
    for name in TABLES:
        table = folder / f"{name}.csv"
        table.unlink(missing_ok=True)
    figures = folder / "figures"
    for pattern in PICTURES:
        for picture in figures.glob(f"{pattern}.png"):
            picture.unlink()


def format_report(report: Report) -> str:
    """Return the jobs and the study's tables as Markdown, and which jobs did not finish."""
    text = render_markdown(report.title, report.lead, report.tables)
    if not report.unfinished:
        return text
    count = f"{len(report.unfinished)} of {count_jobs(report.jobs)} did not finish"
    return f"{text}\n{count}: {', '.join(report.unfinished)}\n"
