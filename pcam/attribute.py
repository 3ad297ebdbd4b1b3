"""Show which pixels a network's prediction depends on: ``python -m pcam.attribute run=FOLDER``."""

from pathlib import Path
from typing import TYPE_CHECKING

from pcam.cli.command import Invocation, command
from pcam.cli.console import show
from pcam.runs.folder import read_config

if TYPE_CHECKING:
    from pcam.config.schema import AttributeConfig


@command("attribute")
def main(invocation: "Invocation[AttributeConfig]") -> None:
    """Explain patches of a run's split and measure the maps."""
    read_config(Path(invocation.config.run))  # before torch, which takes seconds to import
    from pcam.attribution.output import write_attribution
    from pcam.attribution.run import explain_run
    from pcam.attribution.tables import format_attribution

    attribution = explain_run(invocation.config)
    write_attribution(invocation.folder, attribution)
    all_tables = invocation.config.faithfulness.tables == "all"
    show(format_attribution(attribution, all_tables), "", invocation.folder)


if __name__ == "__main__":
    main()
