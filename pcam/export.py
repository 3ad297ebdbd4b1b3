"""Export a run for others: ``python -m pcam.export run=FOLDER to=onnx``."""

from pathlib import Path
from typing import TYPE_CHECKING

from pcam.cli.command import Invocation, command
from pcam.cli.console import show
from pcam.runs.folder import read_config

if TYPE_CHECKING:
    from pcam.config.schema import ExportConfig


@command("export")
def main(invocation: "Invocation[ExportConfig]") -> None:
    """Write the network in another format, with a model card."""
    config = invocation.config
    read_config(Path(config.run))  # before torch, which takes seconds to import
    from pcam.exporting.export import export
    from pcam.exporting.hub import ensure_token, upload
    from pcam.exporting.output import format_export, write_export, written_before

    uploads = config.repository is not None and not config.dry_run
    if uploads:
        ensure_token()
    written_before(invocation.folder)  # before minutes of work
    exported = export(config)
    files = write_export(exported, invocation.folder, config.license)
    show(format_export(exported), "", *files)
    if config.repository is not None and uploads:
        show(upload(files, config.repository))


if __name__ == "__main__":
    main()
