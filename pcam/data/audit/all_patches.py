"""The patches of all splits in one sequence, and the groups of equal and near-equal ones."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pcam.data.audit import near_duplicates
from pcam.data.audit.check import Group, Patch, patch_at
from pcam.data.audit.measures import LUMA, Floats, average_areas
from pcam.data.audit.quality import Faults
from pcam.data.audit.survey import Survey, concatenate_surveys
from pcam.data.base import Indices, PatchSource
from pcam.data.duplicates import digest_keys


class AllPatches:
    """The patches of the first split, then of the second, and so on.

    A position counts through all splits; a content is one of the distinct pixel contents.
    """

    def __init__(
        self,
        sources: Mapping[str, PatchSource],
        surveys: Mapping[str, Survey],
        flagged: Mapping[str, Faults],
    ) -> None:
        """Put the patches of all splits one after the other.

        Args:
            sources: The splits.
            surveys: Their measures.
            flagged: By split, of `pcam.data.audit.quality.find_faults`.
        """
        self._sources = sources
        self._splits = list(sources)
        self._starts = np.cumsum([0, *(len(source) for source in sources.values())])
        self._survey = concatenate_surveys([surveys[split] for split in self._splits])
        unusable = [flagged[split]["dark"] | flagged[split]["blank"] for split in self._splits]
        self._usable = ~np.concatenate(unusable)
        self._first, self._content = np.unique(
            digest_keys(self._survey.sha1), return_index=True, return_inverse=True
        )[1:]
        self._copies = self._positions_by_content()

    def _positions_by_content(self) -> list[NDArray[np.int64]]:
        order = np.argsort(self._content, kind="stable")
        counts = np.bincount(self._content, minlength=len(self._first))
        return np.split(order, np.cumsum(counts)[:-1])

    def _split_numbers(self, positions: Indices) -> NDArray[np.int64]:
        return np.searchsorted(self._starts, positions, side="right") - 1

    def _group(self, positions: Indices) -> Group:
        patches = []
        for position, number in zip(positions, self._split_numbers(positions), strict=True):
            split = self._splits[number]
            row = int(position - self._starts[number])
            patches.append(patch_at(split, self._sources[split], row))
        return tuple(patches)

    def label(self, patch: Patch) -> int | None:
        """Return a patch's label; None if its split has none."""
        labels = self._sources[patch.split].labels
        return None if labels is None else int(labels[patch.row])

    def equal_groups(self) -> list[Group]:
        """Return the groups of patches with equal pixels."""
        return [self._group(positions) for positions in self._copies if len(positions) > 1]

    def near_equal_groups(self) -> list[Group]:
        """Return the groups of near-equal patches, with all of their copies.

        Dark and blank patches are left out.
        """
        positions = np.sort(self._first[self._usable[self._first]])
        clusters = near_duplicates.find_clusters(
            self._survey.hash[positions],
            self._survey.thumb[positions],
            lambda chosen: self._images(positions[chosen]),
        )
        groups = []
        for cluster in clusters:
            copies = [self._copies[content] for content in self._content[positions[cluster]]]
            groups.append(self._group(np.sort(np.concatenate(copies))))
        return groups

    def _images(self, positions: Indices) -> Floats:
        """Return the luminance of patches, float32 (n, 48, 48); each is read once."""
        side = near_duplicates.SIDE
        images = np.empty((len(positions), side, side), np.float32)
        numbers = self._split_numbers(positions)
        for number in np.unique(numbers):
            chosen = numbers == number
            rows, inverse = np.unique(positions[chosen] - self._starts[number], return_inverse=True)
            patches = self._sources[self._splits[number]].read(rows)
            images[chosen] = (average_areas(patches, side) @ LUMA)[inverse]
        return images
