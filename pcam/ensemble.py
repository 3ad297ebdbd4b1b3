"""Several networks as one: ``python -m pcam.ensemble runs=[A,B,C]``."""

import contextlib
from pathlib import Path

from omegaconf import DictConfig

from pcam.door import door, plain


@door("ensemble")
def main(composed: DictConfig) -> None:
    """Combine predictions by each rule; write those of one."""
    from hydra.core.hydra_config import HydraConfig

    folder = Path(HydraConfig.get().runtime.output_dir)
    try:
        config = plain(composed)
        from pcam.ensembling import ensemble

        ensemble(config, folder)
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()


if __name__ == "__main__":
    main()
