"""What sweeps and runs came to, on one page: ``python -m pcam.report runs=FOLDER``."""

from pcam.door import Call, door


@door("report")
def main(call: Call) -> None:
    """Gather runs into report.html, report.md and csv."""
    from pcam.reporting import report

    report(call.config, call.folder)


if __name__ == "__main__":
    main()
