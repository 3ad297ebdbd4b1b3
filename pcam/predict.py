"""Predict patches, labelled or not: ``python -m pcam.predict run=FOLDER data=kaggle``."""

from pathlib import Path
from typing import TYPE_CHECKING

from pcam.cli.command import Invocation, command
from pcam.cli.console import show
from pcam.runs.folder import read_config

if TYPE_CHECKING:
    from pcam.config.schema import PredictConfig


@command("predict")
def main(invocation: "Invocation[PredictConfig]") -> None:
    """Write predictions/SPLIT.csv and, for Kaggle's unlabelled patches, submission.csv."""
    read_config(Path(invocation.config.run))  # before torch, which takes seconds to import
    from pcam.evaluation.output import write_prediction
    from pcam.evaluation.predict import predict
    from pcam.evaluation.tables import format_prediction

    prediction = predict(invocation.config)
    files = write_prediction(prediction, invocation.folder)
    show(format_prediction(prediction), "", *files)


if __name__ == "__main__":
    main()
