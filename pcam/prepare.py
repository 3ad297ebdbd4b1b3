"""Get data, check it and audit it: ``python -m pcam.prepare data=pcam data.root=DIR``."""

from typing import TYPE_CHECKING

from pcam.cli.command import Invocation, command
from pcam.cli.preparation import run_preparation

if TYPE_CHECKING:
    from pcam.config.schema import PrepareConfig


@command("prepare")
def main(invocation: "Invocation[PrepareConfig]") -> None:
    """Get what is missing of the data and describe it; with audit=true, report what it contains."""
    run_preparation(invocation)


if __name__ == "__main__":
    main()
