"""Probabilities for patches, labelled or not: ``python -m pcam.predict run=FOLDER data=kaggle data.root=DIR``."""

from pathlib import Path

from pcam.cli.command import Invocation, command
from pcam.runs.folder import read_config


@command("predict")
def main(call: Invocation) -> None:
    """Write predictions/SPLIT.csv and, for Kaggle's unlabelled patches, submission.csv."""
    read_config(
        Path(call.config["run"])
    )  # torch takes seconds to import: a run that is not there is told before
    from pcam.evaluation.evaluate import predict

    predict(call.config, call.folder)


if __name__ == "__main__":
    main()
