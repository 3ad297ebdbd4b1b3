"""Several networks as one: ``python -m pcam.ensemble runs=[A,B,C]``."""

from pcam.cli.command import Invocation, command


@command("ensemble")
def main(call: Invocation) -> None:
    """Combine predictions by each rule; write those of one."""
    from pcam.evaluation.ensemble import ensemble

    ensemble(call.config, call.folder)


if __name__ == "__main__":
    main()
