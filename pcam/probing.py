"""Does a network's answer depend on where in a patch things lie? The study's section 3.7 with the controls that it lacks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from pcam import members, runs, scoring
from pcam.comparing import compare, resampling
from pcam.data.crop import Crop
from pcam.data.draws import Purpose, draw
from pcam.data.source import Indices, MaskedSource, Pixels, Source
from pcam.errors import ConfigError, DataError
from pcam.models.classifier import Classifier
from pcam.position import views
from pcam.position.views import View
from pcam.report import position, screens
from pcam.stats.agreement import change, sigmoid
from pcam.stats.intervals import bootstrap_mean, unit
from pcam.stats.metrics import classification_metrics
from pcam.tables import check

Floats = NDArray[np.float64]
EXAMPLES = 6  # patches that are drawn in every way in which they were shown


class Unmoved(ConfigError):
    """What a network sees of a patch cannot be moved."""


class Probe:
    """A network and the patches that it is asked about, again and again.

    Args:
        model: in eval mode.
        patches: uint8 (N, H, W, 3), whole.
        indices: (N,) in their source, to which all draws belong.
        labels: (N,), 0 or 1.
        groups: N slide names, or None.
        view: what the network sees of a patch.
        batch: patches that it sees at once.
        seed: of the draws.
    """

    def __init__(
        self, model: Classifier, patches: Pixels, indices: Indices, labels: NDArray[np.uint8], groups: list[str] | None,
        view: View, batch: int, seed: int,
    ) -> None:  # fmt: skip
        self.model, self.patches, self.indices, self.labels, self.groups = model, patches, indices, labels, groups
        self.view, self.batch, self.seed = view, batch, seed
        self.as_trained = self.seen(patches)
        self.before = self.logodds(self.as_trained)

    def seen(self, patches: Pixels) -> Pixels:
        """Return what the network sees of patches as it was trained."""
        return self.view.at(patches, np.zeros(2, np.int64))

    def logodds(self, shown: Pixels) -> Floats:
        """Return the log-odds (n,) of views (n, h, w, 3), in full precision."""
        with torch.inference_mode():
            parts = [
                self.model(torch.from_numpy(shown[i : i + self.batch]).permute(0, 3, 1, 2).contiguous().to(self.model.device))
                for i in range(0, len(shown), self.batch)
            ]
        return np.asarray(torch.cat(parts).double().cpu().numpy())


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
    run, split = Path(config["run"]), config["split"]
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
        ("run", f"{run}: {runs.network(saved)}, weights {model.began_as()}"),
        ("patches", told),
        ("seen", position.seen(view)),
    ]
    print(screens.before(facts), flush=True)
    asked = Probe(model, patches, chosen, labels, groups, view, data["batch_size"], seed)
    offsets = view.drawn(chosen, seed)
    views_table = _moved(asked, offsets, drawn)
    holds = view.holds(config["centre"], offsets)
    law = _by_law(asked, source, offsets, config["centre"], views_table.pop("after"), drawn)
    made = {} if view.size is not None and view.size <= config["centre"] else _parts(asked, config["centre"])  # no ring is seen
    swaps = _swapped(asked, made, drawn)
    shifts = _map(asked, config["map"], config["centre"])
    summary = {
        "run": str(run),
        "network": runs.network(saved),
        "scale": saved.get("scale", "full"),
        "weights": model.began_as(),
        "data": data["name"],
        "split": split,
        "patches": count,
        "positive": int(labels.sum()),
        "over": unit(groups),
        "views": views_table,
        "centre_held": float(holds.mean()),
        "law": law,
        "swaps": swaps,
        "map": shifts,
        **drawn,
        "versions": runs.versions(),
        "commit": runs.code_commit(),
    }
    runs.write(folder / "figures" / "views.png", _examples(asked, offsets, made))
    title = f"{runs.network(saved)} on {told}"
    print("\n" + position.written(folder, title, summary, view, config["centre"]))
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


def _moved(asked: Probe, offsets: views.Offsets, drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Measure the study's experiment and its parts: noise that nobody sees, a turn, a shift, and both."""
    moved = asked.view.at(asked.patches, offsets)
    after = {
        "noise": asked.logodds(views.disturbed(asked.as_trained, asked.indices, asked.seed)),
        "turn": asked.logodds(views.turned(asked.as_trained)),
        "shift": asked.logodds(moved),
        "shift_turn": asked.logodds(views.turned(moved)),
    }
    found: dict[str, Any] = {
        name: change(asked.before, one, asked.labels, asked.groups, floor=None if name == "noise" else after["noise"], **drawn)
        for name, one in after.items()
    }
    return {**found, "after": after["shift"]}


def _by_law(
    asked: Probe, source: Source, offsets: views.Offsets, centre: int, after: Floats, drawn: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Tell, where tumour is known, in how many shifted views the square at their own centre has another answer.

    A network that has learned the law looks there, and is right to change its mind.
    """
    if not isinstance(source, MaskedSource) or min(asked.view.shape) < centre:
        return None
    masks = source.masks(asked.indices)[..., None].astype(np.uint8)
    middle = views.centre(centre, *asked.view.shape)

    def answers(offset: views.Offsets) -> NDArray[np.bool_]:
        return np.asarray(asked.view.at(masks, offset)[..., 0][:, middle].any(1))

    stays = answers(offsets) == answers(np.zeros(2, np.int64))
    same = (asked.before >= 0) == (after >= 0)

    def share(values: NDArray[np.bool_], among: NDArray[np.bool_]) -> dict[str, float]:
        return bootstrap_mean(np.where(among, values, np.nan), asked.groups, bounded=True, **drawn)

    return {
        "stays": share(stays, np.ones_like(stays)),
        "agreement_where_it_stays": share(same, stays),
        "agreement_where_it_changes": share(same, ~stays),
    }


def _swapped(asked: Probe, made: Mapping[tuple[str, str], Pixels], drawn: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Measure what becomes of the answers when parts of the patches are exchanged."""
    rows = []
    for (region, given), patches in made.items():
        after = asked.logodds(asked.seen(patches))
        rows.append({"region": region, "given": given, **change(asked.before, after, asked.labels, asked.groups, **drawn)})
    return rows


def _parts(asked: Probe, centre: int) -> dict[tuple[str, str], Pixels]:
    """Return the patches, whole, with their ring or their centre another patch's, blurred or of one colour."""
    square = views.centre(centre, *asked.patches.shape[1:3])
    made: dict[tuple[str, str], Pixels] = {}
    for name, region in (("ring", ~square), ("centre", square)):
        for label, called in ((0, "negative"), (1, "positive")):
            others = views.partners(asked.labels, asked.indices, label, asked.seed)
            if len(others):
                made[name, called] = views.exchanged(asked.patches, asked.patches[others], region)
        made[name, "blurred"] = views.blurred(asked.patches, region)
        made[name, "filled"] = views.filled(asked.patches, region)
    return made


def _map(asked: Probe, wanted: Mapping[str, int], centre: int) -> list[dict[str, float]]:
    """Measure the answers from every offset, over the first of the patches."""
    few = slice(wanted["patches"])
    if wanted["patches"] == 0:
        return []
    patches, labels, before = asked.patches[few], asked.labels[few], asked.before[few]
    rows, columns = asked.view.grid(wanted["step"])
    places = np.array([(row, column) for row in rows for column in columns])
    holds = asked.view.holds(centre, places)
    found = []
    for place, held in zip(tqdm(places, unit="offset", desc="shift map", disable=None, leave=False), holds, strict=True):
        after = asked.logodds(asked.view.at(patches, place))
        probability = sigmoid(after)
        found.append(
            {
                "row": int(place[0]),
                "column": int(place[1]),
                "holds_centre": bool(held),
                "agreement": float(((after >= 0) == (before >= 0)).mean()),
                "auroc": classification_metrics(probability, labels, figures=("auroc",))["auroc"],
                "positives": float(probability[labels == 1].mean()),
                "negatives": float(probability[labels == 0].mean()),
            }
        )
    return found


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
