"""Which differences are more than chance: ``python -m pcam.compare runs=[A,B]``."""

from pcam.cli.command import Invocation, command


@command("compare")
def main(call: Invocation) -> None:
    """Test every pair, corrected for their number."""
    from pcam.evaluation.compare import compare

    compare(call.config, call.folder)


if __name__ == "__main__":
    main()
