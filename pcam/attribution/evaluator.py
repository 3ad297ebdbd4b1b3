"""Measuring maps of one set of patches, beside chance and a Gaussian."""

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from pcam.attribution import faithfulness, localisation
from pcam.attribution.cases import Candidate, Cases
from pcam.attribution.explainer import Explainer
from pcam.attribution.faithfulness import Removals
from pcam.attribution.localisation import Floats
from pcam.attribution.measures import CASCADE, DIFFERENCE, MEASURES, NO_NETWORK, NetworkKind, Row
from pcam.attribution.network_free import centre_gaussian, random_ranks
from pcam.attribution.randomisation import cascade
from pcam.attribution.rows import References, build_row
from pcam.models.network import Network

STEPS = 16  # of deletion and insertion, from the patch to the baseline

# Measure, its values (N,), and what chance gives (N,).
Measured = tuple[str, Floats, Floats | None]


class MapEvaluator:
    """Measures maps of one set of patches.

    Args:
        explainer: of the trained network, which all maps are measured with.
        untrained: a network of the same build.
        cases: to measure on.
        cell: of deletion and insertion, pixels.
        resamples: of the bootstrap.
    """

    def __init__(
        self, explainer: Explainer, untrained: Network, cases: Cases, cell: int, resamples: int
    ) -> None:
        self.explainer = explainer
        self.untrained = untrained
        self.cases = cases
        self.cell = cell
        self.resamples = resamples
        self.few = cases.x[: cases.repeated]
        self.few_index = cases.index[: cases.repeated]
        seed, patches = explainer.options.seed, cases.index.cpu().numpy()
        self.random_order = random_ranks(cases.x.shape[-2:], seed, patches)
        self.chance_areas = self._deletion_and_insertion(self.random_order)

    def evaluate(self, candidate: Candidate, untrained: Candidate | None = None) -> list[Row]:
        """Return the rows of one candidate.

        Args:
            candidate: to measure.
            untrained: the same method on random weights; its rows follow, and the candidate is
                compared with it. None to compare with none.
        """
        others = [] if untrained is None else self._measure(untrained)
        rows = self._rows(candidate, self._measure(candidate), others)
        if untrained is not None:
            rows += self._rows(untrained, others, [])
        return rows

    def _measure(self, candidate: Candidate) -> list[Measured]:
        values = self._measure_localisation(candidate)
        values += self._measure_removal(candidate)
        if len(self.few):
            values += self._measure_repeated(candidate)
        return values

    def _rows(
        self, candidate: Candidate, values: list[Measured], others: list[Measured]
    ) -> list[Row]:
        """Return a row per measure.

        Args:
            candidate: that was measured.
            values: of it.
            others: of the same method on random weights; none if not compared.
        """
        random = {measure: measured for measure, measured, _ in others}
        method, network = candidate.method, candidate.network
        rows = []
        for measure, measured, chance in values:
            row = self.row(measure, method, network, measured, chance, random.get(measure))
            rows.append(row)
        return rows

    def row(
        self,
        measure: str,
        method: str,
        network: NetworkKind,
        values: Floats,
        chance: Floats | None = None,
        random: Floats | None = None,
    ) -> Row:
        """Return the row of what was measured on each patch, (N,).

        Args:
            measure: one of ``MEASURES``.
            method: that made the maps.
            network: whose maps they are.
            values: one per patch.
            chance: what a map without knowledge gives on each patch; None if not defined.
            random: what the method reaches on random weights; None if not compared.
        """
        groups = None if self.cases.groups is None else self.cases.groups[: len(values)]
        compared = MEASURES[measure].vs_gaussian and network != NO_NETWORK
        gaussian = self.gaussian_values[measure] if compared else None
        references = References(chance, gaussian, random)
        return build_row(measure, method, network, values, references, groups, self.resamples)

    @cached_property
    def gaussian_values(self) -> dict[str, Floats]:
        """What the Gaussian baseline reaches in the measures that it is compared in."""
        maps = centre_gaussian(self.cases.x, self.cases.index).cpu()
        deletion, insertion = self._deletion_and_insertion(maps)
        values = {
            "deletion": deletion,
            "insertion": insertion,
            DIFFERENCE: insertion - deletion,
        }
        if len(self.few):
            values["infidelity"] = faithfulness.infidelity(maps[: len(self.few)], self.removals)
        return values

    @cached_property
    def removals(self) -> Removals:
        """The removed squares of the patches that are measured repeatedly."""
        options = self.explainer.options
        baseline = self.explainer.baseline(self.few)
        return faithfulness.remove_squares(
            self.explainer.scorer, self.few, baseline, self.few_index, options.seed, options.batch
        )

    @cached_property
    def even_infidelity(self) -> Floats:
        """The infidelity of even maps."""
        height, width = self.few.shape[-2:]
        return faithfulness.infidelity(torch.ones(len(self.few), height, width), self.removals)

    def _measure_localisation(self, candidate: Candidate) -> list[Measured]:
        """Measure where the maps lie."""
        values: list[Measured] = []
        for name, region in self.cases.regions.items():
            area = localisation.area(region)
            factor = candidate.factor
            expected = area if factor is None else localisation.share(factor, region)
            share = localisation.share(candidate.maps, region)
            pointing = localisation.pointing(candidate.maps, region)
            values.append((f"{name}_share", share, expected))
            values.append((f"{name}_pointing", pointing, area))
        return values

    def _measure_removal(self, candidate: Candidate) -> list[Measured]:
        """Measure what is lost when the maps' largest values are removed first."""
        deletion, insertion = self._deletion_and_insertion(candidate.maps)
        chance_deletion, chance_insertion = self.chance_areas
        return [
            ("deletion", deletion, chance_deletion),
            ("insertion", insertion, chance_insertion),
            (DIFFERENCE, insertion - deletion, chance_insertion - chance_deletion),
        ]

    def _measure_repeated(self, candidate: Candidate) -> list[Measured]:
        """Measure what needs many maps of a patch, on a few patches."""
        few, index, seed = self.few, self.few_index, self.explainer.options.seed
        zero = np.zeros(len(few))
        maps = candidate.explain(few, index)
        infidelity = faithfulness.infidelity(candidate.maps[: len(few)], self.removals)
        symmetry = faithfulness.symmetry(candidate.explain, few, index, maps)
        sensitivity = faithfulness.sensitivity(candidate.explain, few, index, seed)
        values: list[Measured] = [
            ("infidelity", infidelity, self.even_infidelity),
            ("symmetry", symmetry, zero),
            ("sensitivity", sensitivity, None),
        ]
        if candidate.on_network is None:
            return values
        stages = cascade(self.explainer.scorer.network, self.untrained, few, len(CASCADE) - 1)
        for name, mixed in zip(CASCADE, stages, strict=False):
            others = candidate.on_network(mixed)(few, index)
            values.append((name, faithfulness.similarity(maps, others), zero))
        return values

    def _deletion_and_insertion(self, maps: Tensor) -> tuple[Floats, Floats]:
        """Return the areas of deletion and insertion by an order, on the trained network."""
        scorer, x, batch = self.explainer.scorer, self.cases.x, self.explainer.options.batch
        baseline = self.explainer.baseline(x)
        return faithfulness.deletion_and_insertion(
            scorer, x, baseline, maps, self.random_order, self.cell, STEPS, batch
        )
