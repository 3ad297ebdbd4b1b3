"""A trained network's figures on a split, each with its interval: ``python -m pcam.evaluate run=FOLDER split=test``."""

from pathlib import Path

from pcam.cli.command import Invocation, command
from pcam.runs.folder import read_config


@command("evaluate")
def main(call: Invocation) -> float:
    """Score a split of a run and tell how good that is; return AUROC, for sweepers."""
    read_config(
        Path(call.config["run"])
    )  # torch takes seconds to import: a run that is not there is told before
    from pcam.evaluation.evaluate import evaluate

    auroc: float = evaluate(call.config, call.folder)[call.config["split"]]["auroc"]["value"]
    return auroc


if __name__ == "__main__":
    main()
