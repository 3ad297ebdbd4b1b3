"""The files of a report, and its text for the terminal."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from itertools import chain
from operator import ne
from pathlib import Path
from typing import TYPE_CHECKING

from pcam.reporting.cells import count_jobs
from pcam.reporting.html import render_html
from pcam.reporting.markdown import render_markdown
from pcam.reporting.page import Part, Picture, Table, unfold
from pcam.reporting.report import Report
from pcam.reporting.sections.jobs import FIGURES_HEAD
from pcam.runs.files import write_csv, write_file

if TYPE_CHECKING:
    from pcam.galleries.gallery import Gallery

log = logging.getLogger(__name__)

FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # what cells begin with that spreadsheets calculate
# A number, and what our tables write after one: an interval, ± and a deviation
NUMBER = re.compile(r"[-+]?[0-9][0-9.,]*(?:e[-+]?[0-9]+)?(?: [\[±(][-+0-9., ±a-z()\]]*)?$")
# What an earlier report may have left in the same folder.
TABLES = ("jobs", "table1", "frozen", "table2", "table3", "differences", "unfinished", "figures")
PICTURES = ("training", "operating", "search-*", "maps-*", "also-*")


def write_report(report: Report, folder: Path, for_spreadsheets: bool = False) -> Path:
    """Write the page, Markdown, galleries, figures and csv files; those of before are deleted.

    Args:
        report: to write.
        folder: where to.
        for_spreadsheets: put an apostrophe before cells of text that a spreadsheet would calculate.

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
            _write_part(part, folder, for_spreadsheets)
    for name, gallery in report.galleries.items():
        _write_gallery(gallery, folder, name)
    _write_table(folder / "figures.csv", FIGURES_HEAD, report.figures, for_spreadsheets)
    return page


def _write_gallery(gallery: Gallery, folder: Path, name: str) -> None:
    """Write a page with its pictures."""
    from pcam.galleries.output import write_gallery  # with torch, which takes seconds to import

    write_gallery(gallery, folder, name)


def _write_part(part: Part, folder: Path, for_spreadsheets: bool) -> None:
    """Write a picture, or a table with a name; other parts have no file of their own."""
    match part:
        case Picture():
            write_file(folder / "figures" / part.name, part.content)
        case Table() if part.name:
            path = folder / f"{part.name}.csv"
            _write_table(path, part.head, part.rows, for_spreadsheets)


def _write_table(
    path: Path, head: Sequence[str], rows: Sequence[Sequence[object]], for_spreadsheets: bool
) -> None:
    """Write a csv; report which cells a spreadsheet would take as formulas."""
    quoted = [[quote_formula(cell) for cell in row] for row in rows]
    count = sum(map(ne, chain(*rows), chain(*quoted)))
    if count and for_spreadsheets:
        log.info(f"{path}: {count} cells begin with an apostrophe (spreadsheets=true)")
    elif count:
        log.warning(
            f"{path}: {count} cells begin with =, +, - or @, which a spreadsheet calculates; "
            "spreadsheets=true puts an apostrophe before them"
        )
    write_csv(path, head, quoted if for_spreadsheets else rows)


def quote_formula(cell: object) -> object:
    """Return a cell with an apostrophe before text that a spreadsheet would calculate.

    Numbers, and numbers with their interval, stay as they are.
    """
    is_formula = isinstance(cell, str) and len(cell) > 1 and cell.startswith(FORMULAS)
    is_formula = is_formula and not NUMBER.match(str(cell))
    return f"'{cell}" if is_formula else cell


def delete_results(folder: Path) -> None:
    """Delete the tables and pictures of an earlier report.

    Args:
        folder: of that report; other files in it stay.
    """
    for name in TABLES:
        table = folder / f"{name}.csv"
        table.unlink(missing_ok=True)
    for page in folder.glob("gallery-*.html"):
        page.unlink()
        for picture in page.with_suffix("").glob("patch-*.jpg"):
            picture.unlink()
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
