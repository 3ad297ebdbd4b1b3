"""Get data, check it, look into it: ``python -m pcam.prepare data=pcam data.root=DIR audit=true``."""

import shlex
from pathlib import Path

from pcam.cli.command import Invocation, command


@command("prepare")
def main(call: Invocation) -> None:
    """Get what is missing of the data, say what is there and, if asked, report what is in it."""
    from pcam.cli.console import progress_bar
    from pcam.data.base import describe_source
    from pcam.data.loading import describe_splits, open_source, open_splits
    from pcam.data.preparation import obtain
    from pcam.runs.files import write_file, write_json
    from pcam.runs.predictions import write_splits
    from pcam.stats.formatting import format_facts, format_warning

    config, folder, data = call.config, call.folder, call.config["data"]
    for note in obtain(data, config["address"]):
        print(format_warning(note))
    opened = open_splits(data, config["splits"], config["seed"])
    facts = [
        (split, f"{data['name']}: {describe_source(source)}")
        for split, source in opened.splits.items()
    ]
    if data["name"] == "kaggle" and (Path(data["root"]) / "test").is_dir():
        facts.append(("predict", f"kaggle: {describe_source(open_source(data, 'predict'))}"))
    print(format_facts([*facts, ("splits", describe_splits(opened))]))
    if opened.how != "official":
        write_splits(folder, opened.splits)
        print(
            f"\n{folder / 'splits.csv'}: give it again with splits=file splits.file={folder / 'splits.csv'}"
        )
    if config["audit"]:
        from pcam.data.audit.page import page, screen
        from pcam.data.audit.run import audit

        with progress_bar("looking at every patch") as told:
            found = audit(opened.splits, told)
        write_file(folder / "audit.html", page(found, opened.splits))
        write_json(folder / "audit.json", found.as_dict())
        print(f"\n{screen(found)}\n\n{folder / 'audit.html'}")
    said = [
        f"data={data['name']}",
        *(word for word in call.words if word.startswith(("data.", "splits", "seed"))),
    ]
    print(f"\nnext:\n  python -m pcam.train {' '.join(shlex.quote(word) for word in said)}")


if __name__ == "__main__":
    main()
