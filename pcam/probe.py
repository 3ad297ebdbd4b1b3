"""Probe the features of backbones: ``python -m pcam.probe model=resnet50 data=folder ...``."""

from typing import TYPE_CHECKING

from pcam.cli.command import Invocation, command
from pcam.cli.console import show

if TYPE_CHECKING:
    from pcam.config.schema import ProbeConfig


@command("probe")
def main(invocation: "Invocation[ProbeConfig]") -> None:
    """Test simple classifiers of features; write a page, csv files and summary.json."""
    from pcam.probing.output import write_probes
    from pcam.probing.probe import probe
    from pcam.probing.tables import format_probes

    probes = probe(invocation.config)
    files = write_probes(probes, invocation.folder)
    show(format_probes(probes), "", *files)


if __name__ == "__main__":
    main()
