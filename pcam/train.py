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

    from pcam import resuming, runs

    hydra = HydraConfig.get()
    asked, sweep = Path(hydra.runtime.output_dir), hydra.mode == RunMode.MULTIRUN
    words = list(hydra.overrides.task)
    try:
        config = runs.absolute(plain(composed))
        resume = str(config.pop("resume") or "")
        folder = resuming.to_resume(resume, asked, None if sweep else Path("outputs"), config) if resume else None
        new = folder is None
        if folder is None:
            folder = asked
            runs.start(folder, config, anew=resume == "auto")
        else:
            config = resuming.resumed(runs.read_config(folder), config, (resuming.key(word) for word in words), folder)
        try:
            from pcam.training import train  # torch takes seconds to import: what can fail has failed by now

            with runs.held(folder):
                summary = train(config, folder, resume=not new, single=sweep)
        except (PcamError, SystemExit, KeyboardInterrupt):
            if new:
                runs.forget(folder)
            raise
    finally:
        with contextlib.suppress(OSError):
            asked.rmdir()  # the folder that Hydra made, if nothing came to lie in it
    if not sweep:
        print("\nnext:\n" + "\n".join(f"  {line}" for line in resuming.next_commands(folder, config, words)))
    value = summary["valid"]["auroc"]["value"]
    return float("nan") if value is None else float(value)


if __name__ == "__main__":
    main()
