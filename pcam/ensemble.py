"""Combine several networks into one classifier: ``python -m pcam.ensemble runs=[A,B,C]``."""

from typing import TYPE_CHECKING

from pcam.cli.command import Invocation, command
from pcam.cli.console import show

if TYPE_CHECKING:
    from pcam.config.schema import EnsembleConfig


@command("ensemble")
def main(invocation: "Invocation[EnsembleConfig]") -> None:
    """Combine predictions by each rule; write those of one."""
    from pcam.evaluation.ensemble import ensemble
    from pcam.evaluation.output import write_ensemble
    from pcam.evaluation.tables import format_ensemble

    result = ensemble(invocation.config)
    files = write_ensemble(result, invocation.folder)
    show(format_ensemble(result), "", *files)


if __name__ == "__main__":
    main()
