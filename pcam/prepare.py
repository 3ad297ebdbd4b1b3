"""Get data, check it, look into it: ``python -m pcam.prepare data=pcam data.root=DIR audit=true``."""

import shlex
from pathlib import Path

from pcam.door import Call, door


@door("prepare")
def main(call: Call) -> None:
    """Get what is missing of the data, say what is there and, if asked, report what is in it."""
    from pcam import runs
    from pcam.data.obtain import obtain
    from pcam.data.sources import open_source, open_splits
    from pcam.report import screens

    config, folder, data = call.config, call.folder, call.config["data"]
    for note in obtain(data, config["address"]):
        print(screens.boxed(note))
    opened = open_splits(data, config["splits"], config["seed"])
    facts = [(split, f"{data['name']}: {screens.described(source)}") for split, source in opened.splits.items()]
    if data["name"] == "kaggle" and (Path(data["root"]) / "test").is_dir():
        facts.append(("predict", f"kaggle: {screens.described(open_source(data, 'predict'))}"))
    print(screens.before([*facts, ("splits", screens.split(opened))]))
    if opened.how != "official":
        runs.write_splits(folder, opened.splits)
        print(f"\n{folder / 'splits.csv'}: give it again with splits=file splits.file={folder / 'splits.csv'}")
    if config["audit"]:
        from pcam.data.audit import audit
        from pcam.report.audit import page, screen

        with screens.progress("looking at every patch") as told:
            found = audit(opened.splits, told)
        runs.write(folder / "audit.html", page(found, opened.splits))
        runs.write_json(folder / "audit.json", found.as_dict())
        print(f"\n{screen(found)}\n\n{folder / 'audit.html'}")
    said = [f"data={data['name']}", *(word for word in call.words if word.startswith(("data.", "splits", "seed")))]
    print(f"\nnext:\n  python -m pcam.train {' '.join(shlex.quote(word) for word in said)}")


if __name__ == "__main__":
    main()
