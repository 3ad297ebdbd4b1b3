"""What sweeps and runs came to, on one page: ``python -m pcam.report runs=FOLDER``."""

from pcam.cli.command import Invocation, command


@command("report")
def main(call: Invocation) -> None:
    """Gather runs into report.html, report.md and csv."""
    from pcam.reporting.report import report

    report(call.config, call.folder)


if __name__ == "__main__":
    main()
