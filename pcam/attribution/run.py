"""Explaining the patches of a finished run."""

import logging
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from pcam.attribution.evaluate import measure_faithfulness
from pcam.attribution.explainer import Explainer, build_explainer
from pcam.attribution.layers import ALIASES, find_layer, is_map, output_shapes
from pcam.attribution.maps import Maps
from pcam.attribution.method import find_method
from pcam.attribution.opened_run import open_explained_run, predict_split, read_explained
from pcam.attribution.options import Options
from pcam.attribution.patches import (
    choose_patches,
    draw_references,
    find_ids,
)
from pcam.attribution.results import (
    Attribution,
    ExplainedPatches,
    FeatureMaps,
)
from pcam.attribution.scorer import Scorer
from pcam.config.schema import AttributeConfig
from pcam.errors import ConfigError
from pcam.stats.intervals import unit

log = logging.getLogger(__name__)

FEATURE_MAP_PATCHES = 8  # patches whose feature maps are kept


def explain_run(config: AttributeConfig) -> Attribution:
    """Explain patches of a run's split and measure the maps. Nothing is written.

    Raises:
        PcamError: the run, the data or a setting cannot be used, or no method applies to the
            network.
    """
    options = build_options(config)
    run = open_explained_run(config)
    # Settings are checked on one patch before the whole split is scored, which takes longer.
    sample = run.normalised(np.arange(1))
    check_sizes(config, sample)
    references = run.normalised(draw_references(len(run.split.source), options.seed))
    layer, explainer = build_explainer(
        run.scorer, config.layer, run.backbone_name, sample, options, references
    )
    feature_layer = find_feature_layer(run.scorer, config.feature_maps, sample)
    ids = config.patches.ids
    chosen = None if ids is None else find_ids([str(name) for name in ids], run.split.source)

    run = replace(run, split=replace(run.split, logit=predict_split(run)))
    if chosen is None:
        chosen = choose_patches(config.patches, run.split.source, run.split.logit, options.seed)
    explained = read_explained(run.split, chosen)
    x = run.scorer.normalised(explained.patches.images)
    not_applicable = find_not_applicable(explainer, config.methods, x)
    methods = [method for method in config.methods if method not in not_applicable]
    if not methods:
        raise ConfigError(
            f"methods: none of {', '.join(not_applicable)} applies to {run.backbone_name}"
        )
    maps = make_maps(explainer, methods, x, torch.from_numpy(chosen))
    return Attribution(
        subject=run.subject,
        scale=run.saved.config.scale,
        options=options,
        layer=layer,
        explained=explained,
        maps=maps,
        not_applicable=not_applicable,
        feature_maps=make_feature_maps(run.scorer, feature_layer, explained),
        faithfulness=measure_faithfulness(config, run, explainer, layer, methods),
        unit=unit(run.split.source.groups),
    )


def build_options(config: AttributeConfig) -> Options:
    """Return the settings of the methods."""
    batch = config.data.batch_size
    return Options(
        baseline=config.baseline,
        steps=config.steps,
        max_steps=config.max_steps,
        samples=config.samples,
        noise=config.noise,
        window=config.window,
        stride=config.stride,
        batch=Options.batch if batch is None else batch,
        seed=config.seed,
    )


def check_sizes(config: AttributeConfig, x: Tensor) -> None:
    """Check the settings that depend on the size of the patches.

    Args:
        config: the config of ``pcam.attribute``.
        x: normalised patches (B, 3, H, W).

    Raises:
        ConfigError: a square is larger than half a patch.
    """
    height, width = x.shape[-2:]
    settings = {"faithfulness.cell": config.faithfulness.cell}
    if "occlusion" in config.methods:
        settings["window"] = config.window
    for key, side in settings.items():
        if 2 * side > min(height, width):
            raise ConfigError(f"{key}={side} is more than half a patch ({width}x{height} pixels)")


def find_feature_layer(
    scorer: Scorer, asked: str | None, x: Tensor
) -> tuple[str, nn.Module] | None:
    """Return the layer whose feature maps are wanted.

    Args:
        scorer: the network.
        asked: a layer's name, ``first`` or ``last``; None for no feature maps.
        x: normalised patches (B, 3, H, W).

    Returns:
        Its name and module; None without one.

    Raises:
        ConfigError: the named layer does not exist, or its output is no map.
    """
    if asked is None:
        return None
    try:
        name, module = find_layer(scorer, asked, x, "feature_maps")
    except ConfigError as error:
        if asked not in ALIASES:
            raise
        log.info("  no feature maps: %s", error)
        return None
    if not is_map(output_shapes(scorer, x).get(name, ())):
        raise ConfigError(f"feature_maps={asked}: the layer's output is not the channels of a map")
    return name, module


def find_not_applicable(explainer: Explainer, methods: list[str], x: Tensor) -> dict[str, str]:
    """Return the methods that do not apply to the network, and log why.

    Args:
        explainer: of the network.
        methods: their names.
        x: normalised patches (B, 3, H, W).

    Returns:
        The reason by method.
    """
    reasons = {}
    for method in methods:
        reason = explainer.reason_not_applicable(method, x)
        if reason is not None:
            reasons[method] = reason
            log.info("  %s is left out: %s", method, reason)
    return reasons


def make_maps(
    explainer: Explainer, methods: list[str], x: Tensor, index: Tensor
) -> dict[str, Maps]:
    """Return the maps of each method, and log which do not depend on the class."""
    for method in methods:
        if not find_method(method).uses_class:
            log.info("  %s is the same whichever class is explained", method)
    total = len(methods) * len(x)
    with tqdm(total=total, unit="map", desc="explaining", disable=None, leave=False) as bar:
        return {method: explainer.maps(method, x, index, bar) for method in methods}


def make_feature_maps(
    scorer: Scorer, layer: tuple[str, nn.Module] | None, explained: ExplainedPatches
) -> FeatureMaps | None:
    """Return the output of a layer for the first patches; None without a layer."""
    if layer is None:
        return None
    name, module = layer
    outputs: list[Tensor] = []

    def record(module: nn.Module, inputs: object, output: Tensor) -> None:
        outputs.append(output.detach().float().cpu())

    handle = module.register_forward_hook(record)
    with torch.no_grad():
        scorer(scorer.normalised(explained.patches.images[:FEATURE_MAP_PATCHES]))
    handle.remove()
    return FeatureMaps(
        layer=name,
        pictures=explained.patches.pictures[:FEATURE_MAP_PATCHES],
        values=outputs[0].numpy(),
        captions=explained.captions[:FEATURE_MAP_PATCHES],
    )
