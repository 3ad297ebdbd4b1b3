"""Gather sweeps and runs into one page: ``python -m pcam.report runs=FOLDER``."""

from typing import TYPE_CHECKING

from pcam.cli.command import Invocation, command
from pcam.cli.console import show

if TYPE_CHECKING:
    from pcam.config.schema import ReportConfig


@command("report")
def main(invocation: "Invocation[ReportConfig]") -> None:
    """Write report.html, report.md and csv files."""
    from pcam.reporting.output import format_report, write_report
    from pcam.reporting.report import build_report

    report = build_report(invocation.config)
    page = write_report(report, invocation.folder, invocation.config.spreadsheets)
    show(format_report(report), page)


if __name__ == "__main__":
    main()
