"""Get data, check it, look into it: ``python -m pcam.prepare data=pcam data.root=DIR audit=true``."""

import contextlib
from pathlib import Path

from omegaconf import DictConfig

from pcam.door import door, plain


@door("prepare")
def main(composed: DictConfig) -> None:
    """Get what is missing of the data, say what is there and, if asked, report what is in it."""
    from hydra.core.hydra_config import HydraConfig

    from pcam.runs import absolute

    config = absolute(plain(composed))
    folder, data = Path(HydraConfig.get().runtime.output_dir), config["data"]
    try:
        from pcam.data.obtain import obtain
        from pcam.data.sources import open_splits
        from pcam.report import screens
        from pcam.runs import write_csv

        obtain(data, config["address"])
        opened = open_splits(data, config["splits"], config["seed"])
        facts = [(split, f"{data['name']}: {screens.described(source)}") for split, source in opened.splits.items()]
        print(screens.before([*facts, ("splits", screens.split(opened))]))
        if opened.how != "official":
            rows = ((name, split) for split, source in opened.splits.items() for name in source.ids)
            write_csv(folder / "splits.csv", ("id", "split"), rows)
            print(f"\n{folder / 'splits.csv'}: give it again with splits=file splits.file={folder / 'splits.csv'}")
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()


if __name__ == "__main__":
    main()
