"""Probabilities for patches, labelled or not: ``python -m pcam.predict run=FOLDER data=kaggle data.root=DIR``."""

import contextlib
from pathlib import Path

from omegaconf import DictConfig

from pcam.door import door, plain


@door("predict")
def main(composed: DictConfig) -> None:
    """Write predictions/SPLIT.csv and, for Kaggle's unlabelled patches, submission.csv."""
    from hydra.core.hydra_config import HydraConfig

    from pcam import runs

    folder = Path(HydraConfig.get().runtime.output_dir)
    try:
        config = runs.absolute(plain(composed))
        runs.read_config(Path(config["run"]))
        from pcam.evaluating import predict

        predict(config, folder)
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()


if __name__ == "__main__":
    main()
