"""Where a trained network finds its answer, and how far that can be believed: ``python -m pcam.attribute run=FOLDER``."""

from pathlib import Path

from pcam.cli.command import Invocation, command
from pcam.runs.folder import read_config


@command("attribute")
def main(call: Invocation) -> None:
    """Explain patches of a run's split; draw the maps and measure them."""
    read_config(
        Path(call.config["run"])
    )  # torch takes seconds to import: a run that is not there is told before
    from pcam.attribution.run import attribute

    attribute(call.config, call.folder)


if __name__ == "__main__":
    main()
