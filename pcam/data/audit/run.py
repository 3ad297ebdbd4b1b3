"""The audit of a source: copies, leakage, labels, faulty patches, stain, swapped files.

One pass over the patches (`pcam.data.audit.survey`) measures them. The checks use the measures.
Each check has a verdict, a sentence, a fix, and every patch concerned.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import combinations
from typing import TypedDict

import numpy as np

from pcam.config.classes import UNNAMED, Classes
from pcam.data.audit import copies
from pcam.data.audit.all_patches import AllPatches
from pcam.data.audit.check import Check, Verdict
from pcam.data.audit.faults import faulty_patches
from pcam.data.audit.files import ids_match_pixels, swapped_files
from pcam.data.audit.quality import (
    THRESHOLDS,
    StainDistances,
    StainFigures,
    find_faults,
    stain_distance,
    stain_figures,
)
from pcam.data.audit.slides import shared_slides
from pcam.data.audit.splits import class_balance, stain_shift
from pcam.data.audit.survey import Survey, survey
from pcam.data.base import PatchSource
from pcam.data.duplicates import digest_keys

Progress = Callable[[str, int, int], None]


class SplitFacts(TypedDict):
    """The content of a split.

    Attributes:
        patches: Number of patches.
        positive: Positive ones; None without labels.
        slides: Number of slides; None if unknown.
        distinct: Number of distinct patches, by SHA-1.
        shape: Of a patch.
    """

    patches: int
    positive: int | None
    slides: int | None
    distinct: int
    shape: list[int]


@dataclass(frozen=True)
class Audit:
    """The result of an audit.

    Attributes:
        splits: By split.
        stain: By split and stain.
        stain_distances: By pair of splits ("train and test") and stain.
        checks: In the order of the report.
        thresholds: Of the checks of single patches.
        classes: The names of the labels 0 and 1.
    """

    splits: Mapping[str, SplitFacts]
    stain: Mapping[str, Mapping[str, StainFigures]]
    stain_distances: StainDistances
    checks: tuple[Check, ...]
    thresholds: Mapping[str, float] = field(default_factory=lambda: dict(THRESHOLDS))
    classes: Classes = UNNAMED

    def __getitem__(self, name: str) -> Check:
        """Return the check of that name."""
        return next(check for check in self.checks if check.name == name)

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all checks; "unknown" does not count."""
        verdicts = {check.verdict for check in self.checks}
        if "fail" in verdicts:
            return "fail"
        if "warn" in verdicts:
            return "warn"
        return "pass"

    def as_dict(self) -> dict[str, object]:
        """Return everything as plain values, for JSON: a patch is [split, row, id]."""
        return {"verdict": self.verdict, **asdict(self)}


def audit(
    sources: Mapping[str, PatchSource],
    progress: Progress | None = None,
    classes: Classes = UNNAMED,
) -> Audit:
    """Audit every patch of every split; each is measured once.

    Args:
        sources: The splits, by name, each of at least one patch. Some or all may have no labels
            and no slides (None).
        progress: Called with (split, patches done, patches) after each block.
        classes: The names of the labels 0 and 1.
    """
    surveys, facts, stain = {}, {}, {}
    for split, source in sources.items():
        measured = survey(source, partial(progress, split) if progress else None)
        surveys[split] = measured
        facts[split] = _split_facts(source, measured)
        stain[split] = stain_figures(measured.stain, source.groups)
    distances = {}
    for first, second in combinations(sources, 2):
        distance = stain_distance(surveys[first].stain, surveys[second].stain)
        distances[f"{first} and {second}"] = distance
    return Audit(
        splits=facts,
        stain=stain,
        stain_distances=distances,
        checks=tuple(_checks(sources, surveys, distances, classes)),
        classes=classes,
    )


def _split_facts(source: PatchSource, measured: Survey) -> SplitFacts:
    """Return the content of a split.

    Args:
        source: The split; only its first patch is read.
        measured: Its survey.
    """
    first = source.read(np.arange(1))
    return {
        "patches": len(source),
        "positive": None if source.labels is None else int(np.sum(source.labels)),
        "slides": None if source.groups is None else len(set(source.groups)),
        "distinct": len(np.unique(digest_keys(measured.sha1))),
        "shape": list(first.shape[1:]),
    }


def _checks(
    sources: Mapping[str, PatchSource],
    surveys: Mapping[str, Survey],
    distances: StainDistances,
    classes: Classes,
) -> list[Check]:
    """Return all checks, in the order of the report."""
    flagged = {split: find_faults(surveys[split]) for split in sources}
    sha1 = {split: surveys[split].sha1 for split in sources}
    labelled = any(source.labels is not None for source in sources.values())
    patches = AllPatches(sources, surveys, flagged)
    equal, near = patches.equal_groups(), patches.near_equal_groups()
    return [
        copies.copies_within_splits(copies.EQUAL, equal),
        copies.copies_across_splits(copies.EQUAL, equal),
        copies.copies_within_splits(copies.NEAR_EQUAL, near),
        copies.copies_across_splits(copies.NEAR_EQUAL, near),
        copies.contradicting_labels(copies.EQUAL, equal, patches.label, labelled),
        copies.contradicting_labels(copies.NEAR_EQUAL, near, patches.label, labelled),
        shared_slides(sources),
        swapped_files(sources),
        ids_match_pixels(sources, sha1),
        class_balance(sources, classes),
        *faulty_patches(sources, flagged, classes),
        stain_shift(distances),
    ]
