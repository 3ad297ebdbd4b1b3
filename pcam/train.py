"""Train and test a classifier: ``python -m pcam.train model=resnet50 data=pcam data.root=DIR``."""

import contextlib
from pathlib import Path

from omegaconf import DictConfig

from pcam.door import door, plain
from pcam.errors import PcamError


@door("train")
def main(composed: DictConfig) -> float | None:
    """Train what the config says; return the best checkpoint's valid AUROC, for sweepers."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from pcam import runs

    hydra = HydraConfig.get()
    asked = Path(hydra.runtime.output_dir)
    try:
        config = runs.absolute(plain(composed))
        resume = config.pop("resume")
        folder = runs.to_resume(str(resume), asked, Path("outputs")) if resume else None
        if folder is None:
            folder = asked
            runs.start(folder, config)
            resume = None
        else:
            typed = [word.lstrip("+~").partition("=")[0] for word in hydra.overrides.task]
            config = runs.resumed(runs.read_config(folder), config, typed, folder)
        from pcam.training import train  # torch and Lightning take seconds to import: what can fail has failed by now

        try:
            summary = train(config, folder, resume=resume is not None, single=hydra.mode == RunMode.MULTIRUN)
        except (PcamError, SystemExit):
            if resume is None:
                runs.forget(folder)
            raise
    finally:
        with contextlib.suppress(OSError):
            asked.rmdir()  # the folder that Hydra made, if nothing came to lie in it
    value = summary["valid"]["auroc"]["value"]
    return float("nan") if value is None else float(value)


if __name__ == "__main__":
    main()
