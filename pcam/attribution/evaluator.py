"""The table of how far maps can be believed: every method, beside chance and beside maps that know nothing of the network."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from pcam.attribution import faithfulness as faith
from pcam.attribution.explainer import METHODS, Explainer
from pcam.attribution.scorer import Scorer, layers
from pcam.models.network import Network
from pcam.data.symmetries import D4
from pcam.stats.intervals import bootstrap_mean

# Measure to what it is, and the least and the most that it can be.
MEASURES: Mapping[str, tuple[str, float, float]] = {
    "centre_share": ("share in the centre", 0, 1),
    "centre_pointing": ("largest value in the centre", 0, 1),
    "tumour_share": ("share on tumour", 0, 1),
    "tumour_pointing": ("largest value on tumour", 0, 1),
    "deciding_share": ("share on tumour in the centre", 0, 1),
    "deciding_pointing": ("largest value on tumour in the centre", 0, 1),
    "deletion": ("deletion, area", 0, 1),
    "insertion": ("insertion, area", 0, 1),
    "infidelity": ("infidelity", 0, np.inf),
    "completeness_gap": ("completeness gap", 0, np.inf),
    "symmetry": ("agreement under symmetries", -1, 1),
    "random_head": ("similarity, head randomised", -1, 1),
    "random_half": ("similarity, upper half randomised", -1, 1),
    "random_all": ("similarity, all randomised", -1, 1),
    "sensitivity": ("sensitivity to noise", 0, np.inf),
}
CASCADE = ("random_head", "random_half", "random_all")
COMPARED_WITH_GAUSSIAN = (
    "deletion",
    "insertion",
    "infidelity",
)  # in which the bell over the centre is a rival
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


def measure(
    explainer: Explainer,
    untrained: Network,
    layer: str | None,
    methods: Sequence[str],
    cases: Cases,
    cell: int,
    resamples: int,
) -> list[Row]:
    """Measure methods, the same on random weights, a bell over the centre and a filter of edges.

    Args:
        explainer: of the trained network.
        untrained: a network of the same build.
        layer: name of the one that Grad-CAM and HiResCAM look at, None where there is none.
        methods: that hold for the network.
        cases: to measure on.
        cell: of deletion and insertion, pixels.
        resamples: of the bootstrap.

    Returns:
        A row per method, network and measure: value, low, high; chance and the mean difference from it, where there is one; of
        ``RIVALLED`` measures the mean difference from the bell's.
    """
    once = replace(
        explainer.options, max_steps=explainer.options.steps
    )  # what is repeated is not made complete each time
    repeats = 1 + (len(D4) - 1) + (faith.NOISY + 2)
    work = len(methods) * (
        2 * (len(cases.x) + cases.repeated * repeats) + cases.repeated * len(CASCADE)
    )
    with tqdm(total=work, unit="map", desc="faithfulness", disable=None, leave=False) as bar:

        def on(network: Network, method: str) -> faith.Explain:
            scorer = Scorer(network, explainer.scorer.precision)
            module = None if layer is None else layers(scorer.network)[layer]
            other = Explainer(scorer, module, once, explainer.references)
            return lambda x, index: other.maps(method, x, index, bar).values

        bench = MapEvaluator(explainer, untrained, cases, cell, resamples)
        for method in methods:
            found = explainer.maps(method, cases.x, cases.index, bar)
            trained = on(explainer.scorer.network, method)
            factor = METHODS[method].factor
            blank = None if factor is None else factor(explainer, cases.x).cpu()
            bench.measure(method, TRAINED, found.values, trained, blank, partial(on, method=method))
            if found.complete:
                bench.add("completeness_gap", method, TRAINED, found.gap.double().numpy())
            random = on(untrained, method)
            bench.measure(method, RANDOM, random(cases.x, cases.index), random, blank)
        for method, naive in (("centre_gaussian", faith.centre_gaussian), ("edges", faith.edges)):
            blind = partial(_on_cpu, naive)
            bench.measure(
                method, NAIVE, blind(cases.x, cases.index), blind, None, partial(_whichever, blind)
            )
    return bench.rows


class MapEvaluator:
    """Measures maps and keeps the rows of the table.

    Args:
        explainer: of the trained network: what maps are about, wherever they come from.
        untrained: a network of the same build.
        cases: to measure on.
        cell: of deletion and insertion, pixels.
        resamples: of the bootstrap.
    """

    def __init__(
        self, explainer: Explainer, untrained: Network, cases: Cases, cell: int, resamples: int
    ) -> None:
        self.explainer, self.untrained, self.cases = explainer, untrained, cases
        self.cell, self.resamples = cell, resamples
        self.rows: list[Row] = []
        self.few, self.index = cases.x[: cases.repeated], cases.index[: cases.repeated]
        options = explainer.options
        self.order = faith.random_ranks(cases.x.shape[-2:], options.seed, cases.index.cpu().numpy())
        self.by_chance = self._areas(self.order)
        bell = faith.centre_gaussian(cases.x, cases.index).cpu()
        self.bell = dict(zip(("deletion", "insertion"), self._areas(bell), strict=True))
        if len(self.few):
            baseline = explainer.baseline(self.few)
            self.removed = faith.removals(
                explainer.scorer, self.few, baseline, self.index, options.seed, options.batch
            )
            self.even = faith.infidelity(torch.ones_like(bell[: len(self.few)]), self.removed)
            self.bell["infidelity"] = faith.infidelity(bell[: len(self.few)], self.removed)

    def measure(
        self, method: str, network: str, maps: Tensor, explain: faith.Explain, blank: Tensor | None,
        elsewhere: Callable[[Network], faith.Explain] | None = None,
    ) -> None:  # fmt: skip
        """Add the rows of one set of maps.

        Args:
            method: that made them.
            network: ``TRAINED``, ``RANDOM`` or ``NAIVE``.
            maps: of the cases, (N, H, W).
            explain: makes maps of other patches.
            blank: the map, (N, H, W), that the method would make where all gradients are alike, whose share of a region is
                chance; None for an even one.
            elsewhere: makes them on another network; None where that is not asked.
        """
        add = partial(self.add, method=method, network=network)
        for name, region in self.cases.regions.items():
            even = faith.area(region) if blank is None else faith.share(blank, region)
            add(f"{name}_share", values=faith.share(maps, region), chance=even)
            add(f"{name}_pointing", values=faith.pointing(maps, region), chance=faith.area(region))
        for name, areas, chance in zip(
            ("deletion", "insertion"), self._areas(maps), self.by_chance, strict=True
        ):
            add(name, values=areas, chance=chance)
        few, index, seed = self.few, self.index, self.explainer.options.seed
        if not len(few):
            return
        add("infidelity", values=faith.infidelity(maps[: len(few)], self.removed), chance=self.even)
        zero, first = np.zeros(len(few)), explain(few, index)
        add("symmetry", values=faith.symmetry(explain, few, index, first), chance=zero)
        add("sensitivity", values=faith.sensitivity(explain, few, index, seed))
        if elsewhere is not None:
            stages = faith.cascade(
                self.explainer.scorer.network, self.untrained, few, len(CASCADE) - 1
            )
            for name, mixed in zip(CASCADE, stages, strict=False):
                add(name, values=faith.similarity(first, elsewhere(mixed)(few, index)), chance=zero)

    def add(
        self,
        measure: str,
        method: str,
        network: str,
        values: faith.Floats,
        chance: faith.Floats | None = None,
    ) -> None:
        """Add a row: the mean of what was measured on each patch, and its difference from chance."""
        groups = None if self.cases.groups is None else self.cases.groups[: len(values)]
        _, least, most = MEASURES[measure]
        found = bootstrap_mean(
            values, groups, bounded=(least, most) == (0, 1), resamples=self.resamples
        )
        found["low"], found["high"] = (
            float(np.clip(found[end], least, most)) for end in ("low", "high")
        )
        row: Row = {
            "measure": measure,
            "method": method,
            "network": network,
            **found,
            "chance": None,
        }
        if chance is not None:
            known = ~np.isnan(values)
            by_chance = row["chance"] = float(chance[known].mean()) if known.any() else float("nan")
            if measure.endswith(
                "_pointing"
            ):  # hits and misses: where all are one of these, resamples say nothing
                less = {end: found[end] - by_chance for end in ("value", "low", "high")}
            else:
                less = self._less(values, chance, groups)
                less |= {
                    end: float(np.clip(less[end], least - by_chance, most - by_chance))
                    for end in ("low", "high")
                }
            row |= {
                "less_chance": less["value"],
                "less_chance_low": less["low"],
                "less_chance_high": less["high"],
            }
        if measure in COMPARED_WITH_GAUSSIAN and network != NAIVE:
            less = self._less(values, self.bell[measure], groups)
            row |= {
                "less_bell": less["value"],
                "less_bell_low": less["low"],
                "less_bell_high": less["high"],
            }
        self.rows.append(row)

    def _less(
        self, values: faith.Floats, others: faith.Floats, groups: Sequence[str] | None
    ) -> dict[str, float]:
        return bootstrap_mean(values - others, groups, resamples=self.resamples)

    def _areas(self, maps: Tensor) -> tuple[faith.Floats, faith.Floats]:
        """Return the areas of deletion and insertion by an order, on the trained network."""
        scorer, x, batch = self.explainer.scorer, self.cases.x, self.explainer.options.batch
        return faith.deletion_and_insertion(
            scorer, x, self.explainer.baseline(x), maps, self.order, self.cell, CUTS, batch
        )


def _on_cpu(explain: faith.Explain, x: Tensor, index: Tensor) -> Tensor:
    return explain(x, index).cpu()


def _whichever(explain: faith.Explain, network: Network) -> faith.Explain:
    return explain
