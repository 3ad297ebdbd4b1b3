"""Maps of a trained network: drawn, kept, and measured."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from pcam.attribution import output
from pcam.attribution.evaluator import Cases, Row, measure
from pcam.attribution.explainer import Explainer, validate_methods
from pcam.attribution.options import TOLERANCE, Maps, Options
from pcam.attribution.patches import PICKS, Split, choose, indices_of_ids
from pcam.attribution.scorer import Scorer, find_layer, recalibrate_batchnorm, shapes
from pcam.attribution.tables import write_faithfulness
from pcam.config.tables import check, once
from pcam.data.base import describe_source
from pcam.data.datamodule import checked_batch
from pcam.data.randomness import Purpose, draw
from pcam.errors import ConfigError, suggest
from pcam.evaluation.inference import (
    crop_for_split,
    open_run,
    open_split,
    predict_probabilities,
    resolve_data,
)
from pcam.models.classifier import PatchClassifier
from pcam.models.network import Network
from pcam.runs.files import write_json
from pcam.runs.folder import Config, network_label
from pcam.runs.provenance import code_commit, library_versions
from pcam.stats.formatting import format_facts
from pcam.stats.intervals import unit

REFERENCES = 16  # patches that gradient SHAP compares with


def attribute(config: Config, folder: Path) -> dict[str, Any]:
    """Explain patches of a run's split; draw, keep and measure the maps.

    Args:
        config: the door's.
        folder: to leave figures, maps.h5, faithfulness.csv and summary.json in.

    Returns:
        What summary.json holds.

    Raises:
        PcamError: the run, the data or a setting cannot be used, or no method holds for the network.
    """
    options = _options(config)
    run, name = Path(config["run"]), config["split"]
    saved, model = open_run(run)
    data, splits = resolve_data(saved, config)
    source = open_split(data, splits, config["seed"], name)
    facts = [
        ("run", f"{run}: {network_label(saved)}, weights {model.began_as()}"),
        (name, f"{data['name']}: {describe_source(source)}"),
        (
            "explained",
            f"log-odds of the positive class; baseline {options.baseline}, precision {config['precision']}",
        ),
    ]
    print(format_facts(facts), flush=True)
    scorer = Scorer(model.network, config["precision"])
    split = Split(source, np.empty(0), crop_for_split(saved, name), data["name"])
    one = scorer.normalised(
        split.read(np.arange(1)).images
    )  # what was typed is checked before the whole split is scored
    cell = config["faithfulness"]["cell"]
    if 2 * cell > min(one.shape[-2:]):
        raise ConfigError(
            f"faithfulness.cell={cell} is more than half a patch ({one.shape[-1]}x{one.shape[-2]} pixels)"
        )
    layer, explainer = explainer_of(
        scorer, config["layer"], saved["model"]["name"], one, options, split
    )
    if "occlusion" in config["methods"] and 2 * options.window > min(one.shape[-2:]):
        raise ConfigError(
            f"window={options.window} is more than half a patch ({one.shape[-1]}x{one.shape[-2]} pixels)"
        )
    featured = _featured(scorer, config["feature_maps"], one)
    ids = config["patches"]["ids"]
    asked = None if ids is None else indices_of_ids(ids, source)
    split = replace(split, probability=predict_probabilities(model, source, saved, data, name))
    chosen = (
        choose(config["patches"], source, split.probability, options.seed)
        if asked is None
        else asked
    )
    patches = split.read(chosen)
    x = scorer.normalised(patches.images)
    refused = {
        method: why
        for method in config["methods"]
        if (why := explainer.refused(method, x)) is not None
    }
    for method, why in refused.items():
        print(f"  {method} is left out: {why}", flush=True)
    methods = [method for method in config["methods"] if method not in refused]
    if not methods:
        raise ConfigError(
            f"methods: none of {', '.join(refused)} holds for {saved['model']['name']}"
        )
    with tqdm(
        total=len(methods) * len(x), unit="map", desc="explaining", disable=None, leave=False
    ) as bar:
        found = {
            method: explainer.maps(method, x, torch.from_numpy(chosen), bar) for method in methods
        }
    about = {
        "run": str(run), "split": name, "network": network_label(saved), "data": data["name"], "precision": scorer.precision,
    }  # fmt: skip
    output.keep(folder, about, split, chosen, patches, found, layer, options)
    title = f"{network_label(saved)} on {data['name']}, {name}"
    output.draw(folder, title, split, chosen, patches, found)
    if featured is not None:
        output.draw_features(folder, title, scorer, *featured, split, chosen[: output.FEATURED])
    print(f"  maps of {len(x)} patches are in {folder}", flush=True)
    summary = {
        **about,
        "scale": saved.get("scale", "full"),
        "layer": layer,
        "methods": methods,
        "refused": refused,
        "patches": [source.ids[i] for i in chosen],
        "completeness": _complete(found, scorer.precision),
        "faithfulness": _measured(config, folder, title, explainer, model, layer, methods, split),
        "over": unit(source.groups),
        "seed": options.seed,
        "versions": library_versions(),
        "commit": code_commit(),
    }
    write_json(folder / "summary.json", summary)
    print(f"\n{folder}", flush=True)
    return summary


def explainer_of(
    scorer: Scorer, asked: str, network: str, x: Tensor, options: Options, split: Split
) -> tuple[str | None, Explainer]:
    """Return an explainer, and the name of the layer that Grad-CAM and HiResCAM look at; None where ``auto`` finds none."""
    layer: str | None = None
    module: nn.Module | None = None
    try:
        layer, module = find_layer(
            scorer,
            {"auto": "inception5b" if network == "googlenet" else "last"}.get(asked, asked),
            x,
        )
    except ConfigError:
        if asked != "auto":
            raise
    size = len(split.source)
    drawn = draw(options.seed, Purpose.ATTRIBUTION, 5).choice(
        size, min(REFERENCES, size), replace=False
    )
    return layer, Explainer(scorer, module, options, scorer.normalised(split.read(drawn).images))


def untrained(model: PatchClassifier, seed: int, references: Tensor) -> Network:
    """Return a network of a classifier's build with random weights, by a seed.

    Its BatchNorm has the statistics of a few patches, (R, 3, H, W) normalised: with those that it is made with, zero and one,
    what a deep network is shown can vanish on the way.
    """
    with torch.random.fork_rng():
        torch.manual_seed(int(draw(seed, Purpose.ATTRIBUTION, 6).integers(1 << 31)))
        network: Network = PatchClassifier(**model.hparams).network.to(model.device)
        recalibrate_batchnorm(network, references)
    return network


def _options(config: Config) -> Options:
    """Check what was typed; return the settings of the methods."""
    if not isinstance(config["methods"], list) or not config["methods"]:
        raise ConfigError("methods is a list of at least one: 'methods=[saliency,gradcam]'")
    validate_methods(config["methods"], "methods")
    kinds: dict[str, Any] = dict.fromkeys(
        ("steps", "max_steps", "samples", "window", "stride", "seed"), int
    )
    for key, kind in {**kinds, "noise": float, "layer": str, "feature_maps": str | None}.items():
        check(config[key], kind, key)
    picked, measured = config["patches"], config["faithfulness"]
    check(picked["ids"], list | None, "patches.ids")
    if picked["ids"] == []:
        raise ConfigError("patches.ids is empty; it is a list of ids, or null")
    once(list(map(str, picked["ids"] or [])), "patches.ids")
    if picked["pick"] not in PICKS:
        raise ConfigError(
            f"patches.pick={picked['pick']} is not known{suggest(str(picked['pick']), PICKS)}"
        )
    counts = {"patches.n": (picked["n"], 1)} | {
        f"faithfulness.{key}": (measured[key], least)
        for key, least in (("patches", 0), ("repeated", 0), ("cell", 1), ("resamples", 1))
    }
    for key, (count, least) in counts.items():
        check(count, int, key)
        if count < least:
            raise ConfigError(f"{key}={count}; it is a count from {least}")
    batch = config["data"]["batch_size"]
    if batch is not None:
        checked_batch(batch)
    keys = ("baseline", "steps", "max_steps", "samples", "noise", "window", "stride", "seed")
    return Options(
        **{key: config[key] for key in keys}, **({} if batch is None else {"batch": batch})
    )


def _complete(found: Mapping[str, Maps], precision: str) -> dict[str, Any]:
    """Return how complete the maps are of each method that promises it; print what falls short."""
    told = {}
    for name, one in found.items():
        if not one.complete:
            continue
        short, most, most_steps = (
            int((~(one.gap <= TOLERANCE)).sum()),
            float(one.gap.max()),
            int(one.steps.max()),
        )
        told[name] = {
            "patches": len(one.gap),
            "short": short,
            "largest_gap": most,
            "most_steps": most_steps,
        }
        if short:
            rounded = precision != "32-true"  # which more steps do not mend
            mend = (
                f"; {precision} rounds, precision=32-true does not"
                if rounded
                else "; raise max_steps"
                if most_steps
                else ""
            )
            print(
                f"  {name}: {short} of {len(one.gap)} maps miss the log-odds' change by over 1 %, at most {most:.1%}{mend}"
            )
    return told


def _measured(
    config: Config, folder: Path, title: str, explainer: Explainer, model: PatchClassifier, layer: str | None,
    methods: Sequence[str], split: Split,
) -> list[Row]:  # fmt: skip
    """Measure the methods over true positives; write faithfulness.csv and its figure, print the tables."""
    asked, source, seed = config["faithfulness"], split.source, explainer.options.seed
    if asked["patches"] == 0:
        return []
    right = np.flatnonzero(split.probability >= 0.5)
    right = right[source.labels[right] == 1] if source.labels is not None else right[:0]
    if not len(right):
        print(
            "  there are no true positives to measure on: how far the maps can be believed is not known"
        )
        return []
    right = draw(seed, Purpose.ATTRIBUTION, 7).permutation(right)[: asked["patches"]]
    few = min(asked["repeated"], len(right))
    print(
        f"  measuring on {len(right)} true positives, and what needs many maps on {few} of them",
        flush=True,
    )
    patches = split.read(right)
    groups = None if source.groups is None else [source.groups[int(i)] for i in right]
    x, index = explainer.scorer.normalised(patches.images), torch.from_numpy(right)
    cases = Cases(x, index, patches.regions, groups, few)
    fresh = untrained(model, seed, explainer.references)
    rows = measure(explainer, fresh, layer, methods, cases, asked["cell"], asked["resamples"])
    about = f"{title}: {len(right)} true positives, 95 % intervals over {unit(groups)}"
    print("\n" + write_faithfulness(folder, about, rows, len(right)))
    return rows


def _featured(scorer: Scorer, asked: str | None, x: Tensor) -> tuple[str, nn.Module] | None:
    """Return the layer whose feature maps are asked for; None where a network has no such convolution."""
    if asked is None:
        return None
    try:
        name, module = find_layer(scorer, asked, x, "feature_maps")
    except ConfigError as error:
        if asked not in ("first", "last"):
            raise
        print(f"  no feature maps: {error}", flush=True)
        return None
    if len(shapes(scorer, x).get(name, ())) != 4:
        raise ConfigError(f"feature_maps={asked}: the layer gives no channels of a map")
    return name, module
