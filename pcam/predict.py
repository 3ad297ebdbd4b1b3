"""Probabilities for patches, labelled or not: ``python -m pcam.predict run=FOLDER data=kaggle data.root=DIR``."""

from pathlib import Path

from pcam import runs
from pcam.door import Call, door


@door("predict")
def main(call: Call) -> None:
    """Write predictions/SPLIT.csv and, for Kaggle's unlabelled patches, submission.csv."""
    runs.read_config(Path(call.config["run"]))  # torch takes seconds to import: a run that is not there is told before
    from pcam.evaluation.evaluating import predict

    predict(call.config, call.folder)


if __name__ == "__main__":
    main()
