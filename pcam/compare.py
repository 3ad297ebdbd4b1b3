"""Test whether networks differ by more than chance: ``python -m pcam.compare runs=[A,B]``."""

from typing import TYPE_CHECKING

from pcam.cli.command import Invocation, command
from pcam.cli.console import show

if TYPE_CHECKING:
    from pcam.config.schema import CompareConfig


@command("compare")
def main(invocation: "Invocation[CompareConfig]") -> None:
    """Test each pair of networks on the same patches; p-values are corrected for their number."""
    from pcam.evaluation.compare import compare
    from pcam.evaluation.output import write_comparison
    from pcam.evaluation.tables import format_comparison

    comparison = compare(invocation.config)
    file = write_comparison(comparison, invocation.folder)
    show(format_comparison(comparison), "", file)


if __name__ == "__main__":
    main()
