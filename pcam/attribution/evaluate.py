"""Measuring methods on true positives: beside chance, random weights and network-free maps."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from pcam.attribution import faithfulness
from pcam.attribution.cases import Candidate, Cases
from pcam.attribution.evaluator import MapEvaluator
from pcam.attribution.explainer import Explainer, Progress
from pcam.attribution.faithfulness import Explain
from pcam.attribution.layers import named_layers
from pcam.attribution.measures import CASCADE, NO_NETWORK, RANDOM, TRAINED, Row
from pcam.attribution.method import find_method
from pcam.attribution.network_free import centre_gaussian, edges
from pcam.attribution.opened_run import OpenedRun
from pcam.attribution.patches import Patches, Split
from pcam.attribution.randomisation import untrained_network
from pcam.attribution.randomness import draw
from pcam.attribution.results import Faithfulness
from pcam.attribution.scorer import Scorer
from pcam.config.schema import AttributeConfig
from pcam.data.base import Indices
from pcam.data.randomness import AttributionStream
from pcam.data.symmetries import D4
from pcam.models.network import Network
from pcam.stats.formatting import pluralize
from pcam.stats.intervals import unit

log = logging.getLogger(__name__)


def measure_faithfulness(
    config: AttributeConfig,
    run: OpenedRun,
    explainer: Explainer,
    layer: str | None,
    methods: list[str],
) -> Faithfulness | None:
    """Measure the methods on true positives; None if that is not wanted or there are none."""
    asked = config.faithfulness
    if asked.patches == 0:
        return None
    chosen = draw_true_positives(run.split, asked.patches, config.seed)
    if len(chosen) == 0:
        log.info("  the split has no true positives, so faithfulness is not measured")
        return None
    cases = build_cases(run, run.split.read(chosen), chosen, asked.repeated)
    line = f"  measuring faithfulness on {pluralize(len(chosen), 'true positive')}"
    if cases.repeated:
        line += f"; measures that need many maps on {cases.repeated} of them"
    log.info(line)
    untrained = untrained_network(run.saved.model, config.seed, explainer.references)
    rows = evaluate_methods(
        explainer, untrained, layer, methods, cases, asked.cell, asked.resamples
    )
    title = (
        f"{run.subject.title}: {pluralize(len(chosen), 'true positive')}, "
        f"95 % intervals over {unit(cases.groups)}"
    )
    return Faithfulness(title, len(chosen), rows)


def draw_true_positives(split: Split, count: int, seed: int) -> Indices:
    """Return true positives of a split, at most ``count``, drawn by the seed."""
    labels = split.source.labels
    if labels is None:
        return np.empty(0, np.int64)
    true_positives = np.flatnonzero((split.logit >= 0) & (labels == 1))
    return draw(seed, AttributionStream.TRUE_POSITIVES).permutation(true_positives)[:count]


def build_cases(run: OpenedRun, patches: Patches, chosen: Indices, repeated: int) -> Cases:
    """Return the patches that methods are measured on."""
    groups = run.split.source.groups
    return Cases(
        x=run.scorer.normalised(patches.images),
        index=torch.from_numpy(chosen),
        regions=patches.regions,
        groups=None if groups is None else [groups[int(i)] for i in chosen],
        repeated=min(repeated, len(chosen)),
    )


def evaluate_methods(
    explainer: Explainer,
    untrained: Network,
    layer: str | None,
    methods: Sequence[str],
    cases: Cases,
    cell: int,
    resamples: int,
) -> list[Row]:
    """Measure methods on a network and on random weights, a Gaussian and a filter of edges.

    Args:
        explainer: of the trained network.
        untrained: a network of the same build.
        layer: name of the layer that Grad-CAM and HiResCAM look at, None without one.
        methods: that apply to the network.
        cases: to measure on.
        cell: of deletion and insertion, pixels.
        resamples: of the bootstrap.
    """
    evaluator = MapEvaluator(explainer, untrained, cases, cell, resamples)
    rows = []
    work = len(methods) * _count_maps(cases)
    with tqdm(total=work, unit="map", desc="faithfulness", disable=None, leave=False) as bar:
        for method in methods:
            rows += _evaluate_method(evaluator, layer, method, bar)
    for method, function in (("centre_gaussian", centre_gaussian), ("edges", edges)):
        rows += evaluator.evaluate(_network_free_candidate(method, function, cases))
    return rows


def _count_maps(cases: Cases) -> int:
    """Return how many maps are made for one method."""
    per_patch = 1 + (len(D4) - 1) + (faithfulness.NOISY_COPIES + 2)
    on_both_networks = 2 * (len(cases.x) + cases.repeated * per_patch)
    return on_both_networks + cases.repeated * len(CASCADE)


def _evaluate_method(
    evaluator: MapEvaluator, layer: str | None, method: str, progress: Progress
) -> list[Row]:
    """Measure one method on the trained network and on random weights."""
    explainer, cases = evaluator.explainer, evaluator.cases
    on_network = partial(_explain_on, explainer, layer, method, progress)
    compute_factor = find_method(method).factor
    factor = None if compute_factor is None else compute_factor(explainer, cases.x).cpu()

    maps = explainer.maps(method, cases.x, cases.index, progress)
    trained = on_network(explainer.scorer.network)
    random = on_network(evaluator.untrained)
    random_maps = random(cases.x, cases.index)
    rows = evaluator.evaluate(
        Candidate(method, TRAINED, maps.values, trained, factor, on_network),
        untrained=Candidate(method, RANDOM, random_maps, random, factor),
    )
    if maps.complete:
        rows.append(evaluator.row("completeness_gap", method, TRAINED, maps.gap.double().numpy()))
    return rows


def _explain_on(
    explainer: Explainer, layer: str | None, method: str, progress: Progress, network: Network
) -> Explain:
    """Return what makes maps on another network of the same build.

    The number of steps is not doubled until maps are complete, because many maps are made.
    """
    scorer = Scorer(network, explainer.scorer.precision)
    module = None if layer is None else named_layers(scorer.network)[layer]
    options = replace(explainer.options, max_steps=explainer.options.steps)
    other = Explainer(scorer, module, options, explainer.references)
    return lambda x, index: other.maps(method, x, index, progress).values


def _network_free_candidate(method: str, function: Explain, cases: Cases) -> Candidate:
    """Return a candidate whose maps do not depend on a network."""

    def explain(x: Tensor, index: Tensor) -> Tensor:
        return function(x, index).cpu()

    maps = explain(cases.x, cases.index)
    return Candidate(method, NO_NETWORK, maps, explain, on_network=lambda network: explain)
