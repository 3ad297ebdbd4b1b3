"""The audit of a source: copies, leakage, contradicting labels, faulty patches, stain, swapped files.

One pass over the patches (`pcam.data.audit.survey`); what is found in its figures is a list of checks, each with a verdict, one line,
what mends it, and every patch concerned.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcam.data.audit import checks, near_duplicates
from pcam.data.audit.checks import Check, Group, Patch, Verdict
from pcam.data.audit.quality import THRESHOLDS, faults, stain_distance, stain_figures
from pcam.data.audit.survey import LUMA, Floats, Survey, averaged, survey
from pcam.data.base import Indices, PatchSource
from pcam.data.duplicates import digest_keys


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        splits: by split: patches, positive (None: no labels), slides (None: unknown), distinct (by SHA-1), shape.
        stain: by split and stain: mean, sd, sd_between_slides and histogram of optical density (`pcam.data.audit.quality`).
        stain_distances: by pair of splits ("train and test") and stain: standardised, wasserstein.
        checks: in the order of the report.
        thresholds: that the verdicts on patches rest on.
    """

    splits: Mapping[str, Mapping[str, Any]]
    stain: Mapping[str, Mapping[str, Mapping[str, Any]]]
    stain_distances: Mapping[str, Mapping[str, Mapping[str, float]]]
    checks: tuple[Check, ...]
    thresholds: Mapping[str, float] = field(default_factory=lambda: dict(THRESHOLDS))

    def __getitem__(self, name: str) -> Check:
        """Return the check of that name."""
        return next(check for check in self.checks if check.name == name)

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all; what is unknown does not count."""
        verdicts = {check.verdict for check in self.checks}
        return "fail" if "fail" in verdicts else "warn" if "warn" in verdicts else "pass"

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON: a patch is [split, row, id]."""
        return {"verdict": self.verdict, **asdict(self)}


def audit(
    sources: Mapping[str, PatchSource], progress: Callable[[str, int, int], None] | None = None
) -> Audit:
    """Look at every patch of every split once.

    Args:
        sources: the splits, by name, each of at least one patch. Labels and slides may be unknown (None), of some or all.
        progress: told (split, patches done, patches) now and then.
    """
    surveys = {
        split: survey(source, progress and partial(progress, split))
        for split, source in sources.items()
    }
    flagged = {split: faults(surveys[split]) for split in sources}
    whole = _Whole(sources, surveys, flagged)
    labelled = any(source.labels is not None for source in sources.values())
    equal = whole.equal()
    alike = whole.near()
    distances = {
        f"{a} and {b}": stain_distance(surveys[a].stain, surveys[b].stain)
        for a, b in combinations(sources, 2)
    }
    return Audit(
        splits={
            split: {
                "patches": len(source),
                "positive": None if source.labels is None else int(np.sum(source.labels)),
                "slides": None if source.groups is None else len(set(source.groups)),
                "distinct": len(np.unique(digest_keys(surveys[split].sha1))),
                "shape": list(source.read(np.arange(1)).shape[1:]),
            }
            for split, source in sources.items()
        },
        stain={
            split: stain_figures(surveys[split].stain, source.groups)
            for split, source in sources.items()
        },
        stain_distances=distances,
        checks=(
            *checks.copies(equal, "equal", "Equal patches", "equal (SHA-1)"),
            *checks.copies(
                alike,
                "near",
                "Near-equal patches",
                "near-equal (turned, mirrored, encoded again, brighter)",
            ),
            checks.contradictions(equal, whole.label, labelled, "equal", "fail"),
            checks.contradictions(alike, whole.label, labelled, "near", "warn"),
            checks.slide_leakage(sources),
            checks.swapped(sources),
            checks.ids(sources, {split: surveys[split].sha1 for split in sources}),
            checks.classes(sources),
            *checks.faulty(sources, flagged),
            checks.stain_shift(distances),
        ),
    )


class _Whole:
    """All patches of all splits in one row: those of the first split, then of the second, and so on."""

    def __init__(
        self,
        sources: Mapping[str, PatchSource],
        surveys: Mapping[str, Survey],
        flagged: Mapping[str, Mapping[str, NDArray[np.bool_]]],
    ) -> None:
        self.sources, self.names = sources, list(sources)
        self.starts = np.cumsum([0, *(len(source) for source in sources.values())])
        joined = [surveys[split] for split in self.names]
        self.hash, self.thumb = (
            np.concatenate([getattr(one, name) for one in joined]) for name in ("hash", "thumb")
        )
        self.usable = np.concatenate(
            [~(flagged[split]["dark"] | flagged[split]["blank"]) for split in self.names]
        )
        sha1 = digest_keys(np.concatenate([one.sha1 for one in joined]))
        _, self.first, self.content = np.unique(sha1, return_index=True, return_inverse=True)
        order = np.argsort(self.content, kind="stable")
        self.copies = np.split(
            order, np.cumsum(np.bincount(self.content, minlength=len(self.first)))[:-1]
        )

    def patch(self, place: int) -> Patch:
        number = int(np.searchsorted(self.starts, place, side="right")) - 1
        split, index = self.names[number], int(place - self.starts[number])
        return Patch(split, index, str(self.sources[split].ids[index]))

    def label(self, patch: Patch) -> int | None:
        labels = self.sources[patch.split].labels
        return None if labels is None else int(labels[patch.row])

    def equal(self) -> list[Group]:
        """Return the groups of patches of equal pixels."""
        return [tuple(map(self.patch, group)) for group in self.copies if len(group) > 1]

    def near(self) -> list[Group]:
        """Return the clusters of near-equal patches, with all of their copies; dark and blank ones do not take part."""
        place = np.sort(self.first[self.usable[self.first]])
        clusters = near_duplicates.clusters(
            self.hash[place], self.thumb[place], lambda chosen: self._images(place[chosen])
        )
        whole = (
            [self.copies[content] for content in self.content[place[cluster]]]
            for cluster in clusters
        )
        return [tuple(map(self.patch, np.sort(np.concatenate(members)))) for members in whole]

    def _images(self, places: Indices) -> Floats:
        out = np.empty((len(places), near_duplicates.SIDE, near_duplicates.SIDE), np.float32)
        number = np.searchsorted(self.starts, places, side="right") - 1
        for split in np.unique(number):
            rows = number == split
            indices, back = np.unique(places[rows] - self.starts[split], return_inverse=True)
            out[rows] = (
                averaged(self.sources[self.names[split]].read(indices), near_duplicates.SIDE) @ LUMA
            )[back]
        return out
