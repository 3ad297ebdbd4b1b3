"""Find tumour on whole slides: ``python -m pcam.slide run=FOLDER slide=FILE``."""

from typing import TYPE_CHECKING

from pcam.cli.command import Invocation, command
from pcam.cli.console import show
from pcam.cli.slide import run_slides

if TYPE_CHECKING:
    from pcam.config.schema import SlideConfig


@command("slide")
def main(invocation: "Invocation[SlideConfig]") -> None:
    """Predict slides on a grid of patches; write maps, regions and figures."""
    show(run_slides(invocation.config, invocation.folder), "", invocation.folder)


if __name__ == "__main__":
    main()
