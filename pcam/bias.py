"""Measure how predictions depend on the position in a patch: ``python -m pcam.bias run=FOLDER``."""

from typing import TYPE_CHECKING

from pcam.cli.bias import run_bias
from pcam.cli.command import Invocation, command
from pcam.cli.console import show

if TYPE_CHECKING:
    from pcam.config.schema import BiasConfig


@command("bias")
def main(invocation: "Invocation[BiasConfig]") -> None:
    """Shift, rotate and mix the patches of a run, or of several; measure what changes."""
    show(run_bias(invocation.config, invocation.folder), "", invocation.folder)


if __name__ == "__main__":
    main()
