"""Does a network's answer depend on where in a patch things lie? The study's section 3.7 with the controls that it lacks."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from pcam.config.tables import check
from pcam.data.base import Indices, PatchSource, Pixels
from pcam.data.crop import Crop
from pcam.data.randomness import Purpose, draw
from pcam.errors import ConfigError, DataError
from pcam.evaluation.compare import bootstrap_settings, compare
from pcam.evaluation.inference import crop_for_split, open_run, open_split, resolve_data
from pcam.evaluation.predictions import find_predictions
from pcam.models.classifier import PatchClassifier
from pcam.position_bias import metrics, tables, views
from pcam.position_bias.metrics import Probe
from pcam.position_bias.views import Offsets, View
from pcam.runs.files import write_csv, write_file, write_json
from pcam.runs.folder import Config, network_label, read_config
from pcam.runs.predictions import write_predictions
from pcam.runs.provenance import code_commit, library_versions
from pcam.stats.compare import paired_difference
from pcam.stats.formatting import format_facts
from pcam.stats.intervals import bootstrap_metrics, unit
from pcam.stats.metrics import Floats, Labels

EXAMPLES = 6  # patches that are drawn in every way in which they were shown


@dataclass(frozen=True)
class Sample:
    """A run opened again, and the patches of a split that it is asked about."""

    run: Path
    saved: Config
    model: PatchClassifier
    data: Mapping[str, Any]
    source: PatchSource
    crop: Crop
    chosen: Indices
    patches: Pixels
    labels: Labels
    groups: list[str] | None

    @property
    def ids(self) -> list[str]:
        """The patches' names."""
        return [self.source.ids[int(i)] for i in self.chosen]

    @property
    def told(self) -> str:
        """Return how many patches these are."""
        slides = "slides unknown" if self.groups is None else f"{len(set(self.groups))} slides"
        return f"{len(self.chosen):,} of {len(self.source):,} patches, {int(self.labels.sum()):,} positive, {slides}"


def probe(config: Config, folder: Path) -> dict[str, Any]:
    """Measure how a run's answers change when its patches are moved, turned and mixed; write and print what was found.

    Args:
        config: the door's.
        folder: to leave figures, shift_map.csv, answers.csv, predictions and summary.json in.

    Returns:
        What summary.json holds.

    Raises:
        PcamError: the run, the data or a setting cannot be used, or what the run's network sees cannot be moved.
    """
    drawn = _checked(config)
    sample = _sample(config, Path(config["run"]))
    view = _view(sample, config["reach"])
    if view is None:
        raise ConfigError(
            f"crop={sample.crop.mode}: what this network sees of a patch cannot be moved; runs=[...] compares it"
        )
    return _probed(config, folder, sample, view, drawn)[0]


def gather(config: Config, folder: Path) -> dict[str, Any]:
    """Measure several runs, each into a folder of its own, and compare them; write bias.md and summary.json.

    A run that sees no centre cannot be shown its patches moved: it is compared all the same. One that was trained on random
    crops cannot know place: what moving costs the others beyond what it costs that one is of place.

    Returns:
        What summary.json holds.
    """
    drawn = _checked(config)
    asked = [path.parent.parent for path in find_predictions(config["runs"], config["split"])]
    crops = [read_config(run)["crop"] for run in asked]  # before the long work
    found: list[dict[str, Any]] = []
    after: list[Mapping[str, Floats] | None] = []
    first: Sample | None = None
    for number, (run, crop) in enumerate(zip(asked, crops, strict=True), 1):
        print(f"\n{number} of {len(asked)}: {run}", flush=True)
        into = folder / f"{number}-{run.name}"
        sample = _sample(config, run)
        first = first or sample
        if sample.ids != first.ids:
            raise DataError(
                f"{run} is asked about other patches than {first.run}: name one source for both, data="
            )
        view = _view(sample, config["reach"])
        if view is None:
            print(
                f"  crop={sample.crop.mode}: what this network sees of a patch cannot be moved",
                flush=True,
            )
            shown = sample.crop(sample.patches, sample.chosen, 0)
            seen = metrics.logodds(sample.model, shown, sample.data["batch_size"])
            summary, answers = _as_trained(config, into, sample, seen, drawn), None
            write_json(into / "summary.json", summary)
        else:
            summary, answers = _probed(config, into, sample, view, drawn)
        found.append(
            {"folder": into.name, "crop": tables.cropped(sample.crop, crop["train"]), **summary}
        )
        after.append(answers)
    _beyond_random(found, after, crops, sample, drawn)
    compared = None
    if len(asked) > 1:
        those = {
            "runs": [str(folder / one["folder"]) for one in found],
            "split": config["split"],
            "against": None,
            **drawn,
        }
        compared = compare(those, folder / "compare")
    text = tables.gathered(found, compared)
    write_file(folder / "bias.md", text)
    print("\n" + text)
    summary = {"runs": found, "compare": compared}
    write_json(folder / "summary.json", summary)
    print(f"\n{folder / 'bias.md'}", flush=True)
    return summary


def _beyond_random(
    found: list[dict[str, Any]], after: list[Mapping[str, Floats] | None], crops: list[Mapping[str, Any]], sample: Sample,
    drawn: Mapping[str, Any],
) -> None:  # fmt: skip
    """Add to each run what moving costs its AUROC beyond what it costs one that was trained on random crops of that size."""
    for one, mine, crop in zip(found, after, crops, strict=True):
        other = next(
            (
                a
                for a, c in zip(after, crops, strict=True)
                if c["train"] == "random" and c["size"] == crop["size"] and a
            ),
            None,
        )
        if mine is None or other is None or crop["train"] == "random":
            continue
        first, second = [mine["shift"], other["as_trained"]], [mine["as_trained"], other["shift"]]
        told = paired_difference(
            expit(np.stack(first)),
            expit(np.stack(second)),
            sample.labels,
            sample.groups,
            metrics=("auroc",),
            **drawn,
        )["auroc"]
        one["beyond_random"] = {
            **{key: 2 * told[key] for key in ("value", "low", "high")},
            "p": told["p"],
        }  # of means of two


def _checked(config: Config) -> dict[str, Any]:
    for key, value, least in (
        ("patches", config["patches"], 2),
        ("centre", config["centre"], 1),
        ("reach", config["reach"], 1),
        ("map.patches", config["map"]["patches"], 0),
        ("map.step", config["map"]["step"], 1),
    ):
        check(value, int | None if key == "map.step" else int, key)
        if value is not None and value < least:
            raise ConfigError(f"{key}={value}; it is a count from {least}")
    return bootstrap_settings(config)


def _sample(config: Config, run: Path) -> Sample:
    """Open a run and draw patches of the split."""
    split, seed = config["split"], config["seed"]
    saved, model = open_run(run)
    data, splits = resolve_data(saved, config)
    source = open_split(data, splits, seed, split)
    if source.labels is None:
        raise DataError(
            f"split={split}: these patches have no labels, and what changes is told by label"
        )
    count = min(config["patches"], len(source))
    chosen = np.sort(draw(seed, Purpose.POSITION, 4).choice(len(source), count, replace=False))
    chosen = draw(seed, Purpose.POSITION, 5).permutation(chosen)
    patches, labels = source.read(chosen), source.labels[chosen]
    if len(set(labels.tolist())) < 2:
        raise DataError(
            f"split={split}: the {count} patches are of one class alone; patches= takes more"
        )
    side = min(patches.shape[1:3])
    if config["centre"] >= side:
        raise ConfigError(
            f"centre={config['centre']} leaves no ring: the patches' side is {side} pixels"
        )
    groups = None if source.groups is None else [source.groups[int(i)] for i in chosen]
    return Sample(
        run,
        saved,
        model,
        data,
        source,
        crop_for_split(saved, split),
        chosen,
        patches,
        labels,
        groups,
    )


def _view(sample: Sample, reach: int) -> View | None:
    """Return what the run's network sees of a patch; None where that cannot be moved."""
    crop = sample.crop
    if crop.mode not in ("none", "center", "random"):
        return None
    height, width = sample.patches.shape[1:3]
    whole = crop.mode == "none" or crop.size == height == width
    return View(height, width, None if whole else crop.size, reach)


def _as_trained(
    config: Config, folder: Path, sample: Sample, seen: Floats, drawn: Mapping[str, Any]
) -> dict[str, Any]:
    """Write what the network says of the patches as they are; return what every summary.json begins with."""
    probability = expit(seen)
    write_predictions(
        folder, config["split"], sample.ids, sample.labels, probability, sample.groups
    )
    return {
        "run": str(sample.run),
        "network": network_label(sample.saved),
        "scale": sample.saved.get("scale", "full"),
        "weights": sample.model.began_as(),
        "data": sample.data["name"],
        "split": config["split"],
        "patches": len(sample.chosen),
        "positive": int(sample.labels.sum()),
        "over": unit(sample.groups),
        "auroc": bootstrap_metrics(
            probability, sample.labels, sample.groups, metrics=("auroc",), **drawn
        )["auroc"],
        **drawn,
        "versions": library_versions(),
        "commit": code_commit(),
    }


def _probed(
    config: Config, folder: Path, sample: Sample, view: View, drawn: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Floats]]:
    """Measure, write and print; return what summary.json holds, and the log-odds by view."""
    centre, data = config["centre"], sample.data
    name = network_label(sample.saved)
    placed = (
        "; its own crops of this split are at random places, here the middle"
        if sample.crop.mode == "random"
        else ""
    )
    facts = [
        ("run", f"{sample.run}: {name}, weights {sample.model.began_as()}"),
        ("patches", f"{data['name']}, {config['split']}: {sample.told}"),
        ("seen", tables.seen(view) + placed),
    ]
    print(format_facts(facts), flush=True)
    patches, labels, groups = sample.patches, sample.labels, sample.groups
    asked = Probe(
        sample.model,
        patches,
        sample.chosen,
        labels,
        groups,
        view,
        data["batch_size"],
        config["seed"],
    )
    offsets = view.drawn(sample.chosen, config["seed"])
    after = metrics.answers(asked, offsets)
    made = metrics.parts(asked, centre)
    lawful = data.get("place") != "anywhere"  # where the label is the centre's
    summary = {
        **_as_trained(config, folder, sample, asked.before, drawn),
        "moved": {
            "low": view.low.tolist(),
            "high": view.high.tolist(),
            "mirrored": view.size is None,
        },
        "views": metrics.changes(asked, after, drawn),
        "centre_held": float(view.holds(centre, offsets).mean()),
        "law": metrics.by_law(asked, sample.source, offsets, centre, after["shift"], drawn)
        if lawful
        else None,
        "swaps": metrics.swapped(asked, made, drawn),
        "map": metrics.from_offsets(asked, config["map"]["patches"], config["map"]["step"], centre),
        "map_patches": min(config["map"]["patches"], len(labels)),
    }
    after = {"as_trained": asked.before, **after}
    _write_answers(folder, sample, offsets, after)
    write_file(folder / "figures" / "views.png", _examples(asked, offsets, made))
    title = f"{name} on {data['name']}, {config['split']}"
    print("\n" + tables.written(folder, title, sample.told, summary, centre))
    write_json(folder / "summary.json", summary)
    print(f"\n{folder}", flush=True)
    return summary, after


def _write_answers(
    folder: Path, sample: Sample, offsets: Offsets, after: Mapping[str, Floats]
) -> None:
    """Write answers.csv: of each patch its label, where it was seen from when moved, and its log-odds by view."""
    columns = ["id", "label", "row", "column", *after]
    rows = zip(
        sample.ids,
        sample.labels.tolist(),
        *offsets.T.tolist(),
        *(values.tolist() for values in after.values()),
        strict=True,
    )
    write_csv(folder / "answers.csv", columns, rows)


def _examples(asked: Probe, offsets: Offsets, made: Mapping[tuple[str, str], Pixels]) -> bytes:
    """Draw a few patches in each way in which they were shown."""
    few = slice(EXAMPLES)
    moved = asked.view.at(asked.patches[few], offsets[few])
    shown = {
        "as trained": asked.as_trained[few],
        "moved": moved,
        "moved and turned": views.rotate_views(moved),
    }
    shown |= {
        tables.GIVEN[given].format(region): asked.seen(patches[few])
        for (region, given), patches in made.items()
    }
    captions = [
        f"label {label}\nlog-odds {odds:+.2f}"
        for label, odds in zip(asked.labels[few], asked.before[few], strict=True)
    ]
    return tables.examples(shown, captions)
