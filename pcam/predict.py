"""Predict patches, labelled or not: ``python -m pcam.predict run=FOLDER data=kaggle``."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pcam.cli.command import Invocation, command
from pcam.cli.console import show
from pcam.runs.folder import read_config

if TYPE_CHECKING:
    from pcam.config.schema import PredictConfig
    from pcam.evaluation.predict import Engine


@command("predict")
def main(invocation: "Invocation[PredictConfig]") -> None:
    """Write predictions/SPLIT.csv and, for Kaggle's unlabelled patches, submission.csv."""
    read_config(Path(invocation.config.run))  # before torch, which takes seconds to import
    from pcam.evaluation.output import write_prediction
    from pcam.evaluation.predict import predict
    from pcam.evaluation.tables import format_prediction

    prediction = predict(invocation.config, _engine(invocation.config))
    files = write_prediction(prediction, invocation.folder)
    show(format_prediction(prediction), "", *files)


def _engine(config: "PredictConfig") -> "Engine | None":
    """Return what builds the network of another library; None for torch."""
    if config.engine == "torch":
        return None
    from pcam.exporting.engines import build_engine
    from pcam.exporting.formats import require_onnx

    require_onnx()
    return partial(build_engine, config.engine)


if __name__ == "__main__":
    main()
