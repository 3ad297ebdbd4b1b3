"""Get data, check it, look into it: ``python -m pcam.prepare data=pcam data.root=DIR audit=true``."""

import contextlib
import shlex
from pathlib import Path

from omegaconf import DictConfig

from pcam.door import door, plain


@door("prepare")
def main(composed: DictConfig) -> None:
    """Get what is missing of the data, say what is there and, if asked, report what is in it."""
    from hydra.core.hydra_config import HydraConfig

    from pcam.runs import absolute

    folder = Path(HydraConfig.get().runtime.output_dir)
    try:
        config = absolute(plain(composed))
        data = config["data"]
        typed = [word for word in HydraConfig.get().overrides.task if word.startswith(("data.", "splits", "seed"))]
        said = [f"data={data['name']}", *typed]
        from pcam.data.obtain import obtain
        from pcam.data.sources import open_source, open_splits
        from pcam.report import screens
        from pcam.runs import write_csv

        for note in obtain(data, config["address"]):
            print(screens.boxed(note))
        opened = open_splits(data, config["splits"], config["seed"])
        facts = [(split, f"{data['name']}: {screens.described(source)}") for split, source in opened.splits.items()]
        if data["name"] == "kaggle" and (Path(data["root"]) / "test").is_dir():
            facts.append(("predict", f"kaggle: {screens.described(open_source(data, 'predict'))}"))
        print(screens.before([*facts, ("splits", screens.split(opened))]))
        if opened.how != "official":
            rows = ((name, split) for split, source in opened.splits.items() for name in source.ids)
            write_csv(folder / "splits.csv", ("id", "split"), rows)
            print(f"\n{folder / 'splits.csv'}: give it again with splits=file splits.file={folder / 'splits.csv'}")
        if config["audit"]:
            from pcam.data.audit import audit
            from pcam.report.audit import page, screen
            from pcam.runs import write, write_json

            with screens.progress("looking at every patch") as told:
                found = audit(opened.splits, told)
            write(folder / "audit.html", page(found, opened.splits))
            write_json(folder / "audit.json", found.as_dict())
            print(f"\n{screen(found)}\n\n{folder / 'audit.html'}")
        print(f"\nnext:\n  python -m pcam.train {' '.join(shlex.quote(word) for word in said)}")
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()


if __name__ == "__main__":
    main()
