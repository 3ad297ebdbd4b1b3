"""The results of sweeps and runs on one page: ``python -m pcam.report runs=FOLDER``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcam.cli.command import Invocation, command

if TYPE_CHECKING:
    from pcam.config.schema import ReportConfig


@command("report")
def main(invocation: Invocation[ReportConfig]) -> None:
    """Gather runs into report.html, report.md, figures and csv files."""
    from pcam.reporting.output import format_report, write_report
    from pcam.reporting.report import build_report

    report = build_report(invocation.config)
    page = write_report(report, invocation.folder)
    print(f"{format_report(report)}\n{page}", flush=True)


if __name__ == "__main__":
    main()
