"""Does a network's answer depend on where in a patch things lie? The study's section 3.7 with the controls that it lacks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pcam import members, runs, scoring
from pcam.comparing import compare, resampling
from pcam.data.crop import Crop
from pcam.data.draws import Purpose, draw
from pcam.data.source import Pixels
from pcam.errors import ConfigError, DataError
from pcam.position import measuring, views
from pcam.position.measuring import Probe
from pcam.position.views import View
from pcam.report import position, screens
from pcam.stats.intervals import unit
from pcam.tables import check

EXAMPLES = 6  # patches that are drawn in every way in which they were shown


class Unmoved(ConfigError):
    """What a network sees of a patch cannot be moved."""


def probe(config: runs.Config, folder: Path) -> dict[str, Any]:
    """Measure how a run's answers change when its patches are moved, turned and mixed; write and print what was found.

    Args:
        config: the door's.
        folder: to leave figures, shift_map.csv and summary.json in.

    Returns:
        What summary.json holds.

    Raises:
        PcamError: the run, the data or a setting cannot be used.
    """
    drawn = _checked(config)
    run, split, centre = Path(config["run"]), config["split"], config["centre"]
    saved, model = scoring.open_run(run)
    data, splits = scoring.data_of(saved, config)
    source = scoring.open_split(data, splits, config["seed"], split)
    if source.labels is None:
        raise DataError(f"split={split}: these patches have no labels, and what changes is told by label")
    seed, count = config["seed"], min(config["patches"], len(source))
    chosen = np.sort(draw(seed, Purpose.POSITION, 4).choice(len(source), count, replace=False))
    chosen = draw(seed, Purpose.POSITION, 5).permutation(chosen)
    patches, labels = source.read(chosen), source.labels[chosen]
    if len(set(labels.tolist())) < 2:
        raise DataError(f"split={split}: the {count} patches are of one class alone; patches= takes more")
    groups = None if source.groups is None else [source.groups[int(i)] for i in chosen]
    view = _view(saved, split, patches, config["reach"])
    told = f"{data['name']}, {split}: {count:,} of {screens.described(source)}"
    facts = [
        ("run", f"{run}: {saved['model']['name']}, weights {model.began_as()}"),
        ("patches", told),
        ("seen", position.seen(view)),
    ]
    print(screens.before(facts), flush=True)
    asked = Probe(model, patches, chosen, labels, groups, view, data["batch_size"], seed)
    offsets = view.drawn(chosen, seed)
    after = measuring.answers(asked, offsets)
    lawful = data.get("place") != "anywhere"  # where the label is the centre's
    made = measuring.parts(asked, centre)
    summary = {
        "run": str(run),
        "network": saved["model"]["name"],
        "weights": model.began_as(),
        "data": data["name"],
        "split": split,
        "patches": count,
        "positive": int(labels.sum()),
        "over": unit(groups),
        "views": measuring.changes(asked, after, drawn),
        "centre_held": float(view.holds(centre, offsets).mean()),
        "law": measuring.by_law(asked, source, offsets, centre, after["shift"], drawn) if lawful else None,
        "swaps": measuring.swapped(asked, made, drawn),
        "map": measuring.from_offsets(asked, config["map"]["patches"], config["map"]["step"], centre),
        **drawn,
        "versions": runs.versions(),
        "commit": runs.code_commit(),
    }
    runs.write(folder / "figures" / "views.png", _examples(asked, offsets, made))
    title = f"{saved['model']['name']} on {told}"
    print("\n" + position.written(folder, title, summary, centre))
    runs.write_json(folder / "summary.json", summary)
    print(f"\n{folder}", flush=True)
    return summary


def gather(config: runs.Config, folder: Path) -> dict[str, Any]:
    """Measure several runs, each into a folder of its own, and compare them; write bias.md and summary.json.

    A run that sees no centre cannot be shown its patches moved: it is compared all the same.

    Returns:
        What summary.json holds.
    """
    drawn = _checked(config)
    paths = members.find(config["runs"], config["split"])
    found: list[dict[str, Any]] = []
    for number, path in enumerate(paths, 1):
        run = path.parent.parent
        saved = runs.read_config(run)
        one = {"run": str(run), "network": saved["model"]["name"], "crop": position.cropped(saved["crop"], config["split"])}
        print(f"\n{number} of {len(paths)}: {run}", flush=True)
        try:
            into = folder / f"{number}-{run.name}"
            one |= {"folder": into.name, **probe({**config, "run": str(run)}, into)}
        except Unmoved as error:
            print(f"  {error}", flush=True)
        found.append(one)
    compared = None
    if len(paths) > 1:
        asked = {"runs": list(map(str, paths)), "split": config["split"], "against": None, **drawn}
        compared = compare(asked, folder / "compare")
    text = position.gathered(found, compared)
    runs.write(folder / "bias.md", text)
    print("\n" + text)
    summary = {"runs": found, "compare": compared}
    runs.write_json(folder / "summary.json", summary)
    print(f"\n{folder / 'bias.md'}", flush=True)
    return summary


def _checked(config: runs.Config) -> dict[str, Any]:
    for key, value, least in (
        ("patches", config["patches"], 2),
        ("centre", config["centre"], 1),
        ("reach", config["reach"], 1),
        ("map.patches", config["map"]["patches"], 0),
        ("map.step", config["map"]["step"], 1),
    ):
        check(value, int, key)
        if value < least:
            raise ConfigError(f"{key}={value}; it is a count from {least}")
    return resampling(config)


def _view(saved: runs.Config, split: str, patches: Pixels, reach: int) -> View:
    """Return what the run's network sees of a patch."""
    crop: Crop = scoring.crop_of(saved, split)
    if crop.mode not in ("none", "center", "random"):
        raise Unmoved(f"crop={crop.mode}: what this network sees of a patch cannot be moved")
    size = None if crop.mode == "none" else crop.size
    height, width = patches.shape[1:3]
    if size == min(height, width):
        size = None
    return View(height, width, size, reach)


def _examples(asked: Probe, offsets: views.Offsets, made: Mapping[tuple[str, str], Pixels]) -> bytes:
    """Draw a few patches in each way in which they were shown."""
    few = slice(EXAMPLES)
    moved = asked.view.at(asked.patches[few], offsets[few])
    shown = {"as trained": asked.as_trained[few], "moved": moved, "moved and turned": views.turned(moved)}
    shown |= {position.GIVEN[given].format(region): asked.seen(patches[few]) for (region, given), patches in made.items()}
    captions = [
        f"label {label}\nlog-odds {odds:+.2f}" for label, odds in zip(asked.labels[few], asked.before[few], strict=True)
    ]
    return position.examples(shown, captions)
