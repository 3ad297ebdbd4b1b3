"""The table of how far maps can be believed: every method, beside chance and beside maps that know nothing of the network."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor
from tqdm import tqdm

from pcam.attribution import faithfulness as faith
from pcam.attribution.methods import Explainer
from pcam.attribution.scorer import Scorer, layers
from pcam.models.network import Network
from pcam.models.symmetries import D4
from pcam.stats.intervals import bootstrap_mean

# Measure to what it is, and whether it is a share from 0 to 1.
MEASURES: Mapping[str, tuple[str, bool]] = {
    "centre_share": ("share in the centre", True),
    "centre_pointing": ("largest value in the centre", True),
    "tumour_share": ("share on tumour", True),
    "tumour_pointing": ("largest value on tumour", True),
    "deciding_share": ("share on tumour in the centre", True),
    "deciding_pointing": ("largest value on tumour in the centre", True),
    "deletion": ("deletion, area", True),
    "insertion": ("insertion, area", True),
    "infidelity": ("infidelity", False),
    "completeness_gap": ("completeness gap", False),
    "symmetry": ("agreement under symmetries", False),
    "random_head": ("similarity, head randomised", False),
    "random_all": ("similarity, all randomised", False),
    "sensitivity": ("sensitivity to noise", False),
}
CUTS = 16  # of the way of deletion and insertion
TRAINED, RANDOM, NAIVE = "trained", "random weights", "none"

Row = dict[str, Any]


@dataclass(frozen=True)
class Cases:
    """True positives, and where their answer is known to lie.

    Attributes:
        x: normalised patches (N, 3, H, W), on the network's device.
        index: (N,), in their split.
        regions: name ("centre", "tumour", "deciding") to bool (N, H, W).
        groups: N slide names, or None.
        repeated: of how many, from the first, what needs many explanations is measured.
    """

    x: Tensor
    index: Tensor
    regions: Mapping[str, Tensor]
    groups: Sequence[str] | None
    repeated: int


@dataclass(frozen=True)
class Subject:
    """What is measured: a method on a network, or a map that needs none.

    Attributes:
        method: its name.
        network: ``TRAINED``, ``RANDOM`` or ``NAIVE``.
        explain: patches and indices to maps, as often as is asked.
        elsewhere: the same on another network; None where it is not asked for.
    """

    method: str
    network: str
    explain: faith.Explain
    elsewhere: Callable[[Network], faith.Explain] | None


def measure(
    explainer: Explainer, untrained: Network, layer: str, methods: Sequence[str], cases: Cases, cell: int, resamples: int
) -> list[Row]:
    """Measure methods, the same on random weights, a bell over the centre and a filter of edges.

    Args:
        explainer: of the trained network.
        untrained: a network of the same build.
        layer: name of Grad-CAM's.
        methods: that hold for the network.
        cases: to measure on.
        cell: of deletion and insertion, pixels.
        resamples: of the bootstrap.

    Returns:
        A row per method, network and measure: value, low, high; chance and the mean difference from it, where there is one.
    """
    options, repeated = explainer.options, cases.repeated
    once = replace(options, max_steps=options.steps)  # what is repeated is not made complete each time
    repeats = len(D4) - 1 + faith.NOISY + 1
    work = len(methods) * (2 * (len(cases.x) + repeated * (repeats + 1)) + 2 * repeated)
    few, index = cases.x[:repeated], cases.index[:repeated]
    order = faith.random_ranks(cases.x.shape[-2:], options.seed, cases.index.cpu().numpy())
    by_chance = _areas(explainer, cases, order, cell)
    rows: list[Row] = []
    precision = "bf16-mixed" if explainer.scorer.mixed else "32-true"
    with tqdm(total=work, unit="map", desc="faithfulness", disable=None, leave=False) as bar:

        def on(network: Network, method: str) -> faith.Explain:
            scorer = Scorer(network, precision)
            other = Explainer(scorer, layers(scorer.network)[layer], once, explainer.references)
            return lambda x, index: other.maps(method, x, index, bar).values

        def add(subject: Subject, measure: str, values: faith.Floats, chance: faith.Floats | None = None) -> None:
            rows.append(_row(subject, measure, values, cases, resamples, chance))

        def told(subject: Subject, maps: Tensor) -> None:
            for name, region in cases.regions.items():
                chance = faith.area(region)
                add(subject, f"{name}_share", faith.share(maps, region), chance)
                add(subject, f"{name}_pointing", faith.pointing(maps, region), chance)
            for name, values, chance in zip(
                ("deletion", "insertion"), _areas(explainer, cases, maps, cell), by_chance, strict=True
            ):
                add(subject, name, values, chance)
            if not repeated:
                return
            zero, one = np.zeros(len(few)), np.ones(len(few))
            baseline = explainer.baseline(few)
            add(
                subject,
                "infidelity",
                faith.infidelity(explainer.scorer, few, baseline, maps[:repeated], index, options.seed),
                one,
            )
            first = subject.explain(few, index)
            add(subject, "symmetry", faith.symmetry(subject.explain, few, index, first), zero)
            add(subject, "sensitivity", faith.sensitivity(subject.explain, few, index, options.seed))
            if subject.elsewhere is None:
                return
            name = "random_head"
            for _, mixed in faith.cascade(explainer.scorer.network, untrained, few):
                if name == "random_head":
                    add(subject, name, faith.similarity(first, subject.elsewhere(mixed)(few, index)), zero)
                name = "random_all"
            add(subject, name, faith.similarity(first, subject.elsewhere(mixed)(few, index)), zero)

        for method in methods:
            trained = on(explainer.scorer.network, method)
            subject = Subject(method, TRAINED, trained, partial(on, method=method))
            found = explainer.maps(method, cases.x, cases.index, bar)
            told(subject, found.values)
            if found.complete:
                add(subject, "completeness_gap", found.gap.double().numpy())
            explain = on(untrained, method)
            told(Subject(method, RANDOM, explain, None), explain(cases.x, cases.index))
        for name, naive in (("centre_gaussian", faith.centre_gaussian), ("edges", faith.edges)):
            blind = partial(_on_cpu, naive)
            told(Subject(name, NAIVE, blind, partial(_whichever, blind)), blind(cases.x, cases.index))
    return rows


def _on_cpu(explain: faith.Explain, x: Tensor, index: Tensor) -> Tensor:
    return explain(x, index).cpu()


def _whichever(explain: faith.Explain, network: Network) -> faith.Explain:
    return explain


def _areas(explainer: Explainer, cases: Cases, maps: Tensor, cell: int) -> tuple[faith.Floats, faith.Floats]:
    """Return the areas of deletion and insertion by an order, on the trained network."""
    return faith.deletion_and_insertion(
        explainer.scorer, cases.x, explainer.baseline(cases.x), maps, cell, CUTS, explainer.options.batch
    )


def _row(
    subject: Subject, measure: str, values: faith.Floats, cases: Cases, resamples: int, chance: faith.Floats | None = None
) -> Row:
    groups = None if cases.groups is None else list(cases.groups[: len(values)])
    found = bootstrap_mean(values, groups, bounded=MEASURES[measure][1], resamples=resamples)
    row: Row = {"measure": measure, "method": subject.method, "network": subject.network, **found, "chance": None}
    if chance is not None:
        less = bootstrap_mean(values - chance, groups, resamples=resamples)
        known = ~np.isnan(values)
        row["chance"] = float(chance[known].mean()) if known.any() else float("nan")
        row |= {f"less_chance{end}": less[key] for key, end in (("value", ""), ("low", "_low"), ("high", "_high"))}
    return row
