"""A trained network's figures on a split, each with its interval: ``python -m pcam.evaluate run=FOLDER split=test``."""

import contextlib
from pathlib import Path

from omegaconf import DictConfig

from pcam.door import door, plain


@door("evaluate")
def main(composed: DictConfig) -> float | None:
    """Score a split of a run and tell how good that is; return AUROC, for sweepers."""
    from hydra.core.hydra_config import HydraConfig

    from pcam import runs

    folder = Path(HydraConfig.get().runtime.output_dir)
    try:
        config = runs.absolute(plain(composed))
        runs.read_config(Path(config["run"]))
        from pcam.evaluating import evaluate

        summary = evaluate(config, folder)
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()
    value = summary[config["split"]]["auroc"]["value"]
    return float("nan") if value is None else float(value)


if __name__ == "__main__":
    main()
