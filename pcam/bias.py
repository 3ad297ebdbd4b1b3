"""Whether a network's answer depends on where in a patch things lie: ``python -m pcam.bias run=FOLDER`` or ``runs=[...]``."""

from pathlib import Path

from pcam.cli.command import Invocation, command
from pcam.errors import ConfigError
from pcam.runs.folder import read_config


@command("bias")
def main(call: Invocation) -> None:
    """Show a run's patches moved, turned and with parts of others; measure what changes."""
    one, many = call.config["run"], call.config["runs"]
    if (one is None) == (many is None):
        raise ConfigError("run=FOLDER or runs=[FOLDER, GLOB, ...] must be given, not both")
    if one is not None:
        read_config(
            Path(one)
        )  # torch takes seconds to import: a run that is not there is told before
    from pcam.position_bias.run import gather, probe

    if one is not None:
        probe(call.config, call.folder)
    else:
        gather(call.config, call.folder)


if __name__ == "__main__":
    main()
