"""Which differences are more than chance: ``python -m pcam.compare runs=[A,B]``."""

import contextlib
from pathlib import Path

from omegaconf import DictConfig

from pcam.door import door, plain


@door("compare")
def main(composed: DictConfig) -> None:
    """Test every pair, corrected for their number."""
    from hydra.core.hydra_config import HydraConfig

    folder = Path(HydraConfig.get().runtime.output_dir)
    try:
        config = plain(composed)
        from pcam.comparing import compare

        compare(config, folder)
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()


if __name__ == "__main__":
    main()
