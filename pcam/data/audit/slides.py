"""Check that no slide is in two splits."""

from collections.abc import Iterable, Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pcam.data.audit.check import INFLATED, Check, Group, Patch, Sources, patch_at
from pcam.data.base import PatchSource
from pcam.stats.formatting import join_words, pluralize

Slides = NDArray[np.str_]


def shared_slides(sources: Sources) -> Check:
    """Check that no slide is in two splits, or say how many patches such slides have.

    Args:
        sources: The splits; those without slide names are not checked.
    """
    name, title = "slides", "Slides in more than one split"
    if len(sources) == 1:
        return Check(name, title, "unknown", "there is only one split")
    slides = _slides_by_split(sources)
    unknown = [split for split in sources if split not in slides]
    rest = f"the slides of {join_words(unknown)} are unknown" if unknown else ""
    if len(slides) < 2:
        fix = "provide slide names: the meta csv (data=pcam), data.slide_csv (data=kaggle)"
        return Check(name, title, "unknown", rest, fix)

    lines: list[str] = []
    patches: set[Patch] = set()
    for first, second in combinations(slides, 2):
        shared = np.intersect1d(slides[first], slides[second])
        if not len(shared):
            continue
        shares = []
        for split in (first, second):
            inside = np.isin(slides[split], shared)
            patches.update(_patches_at(split, sources[split], inside))
            shares.append(f"{inside.mean():.1%} of {split}")
        count = pluralize(len(shared), "slide")
        lines.append(f"{count} in both {first} and {second}, with {' and '.join(shares)}")
    if not lines:
        line = f"no slide is in two of {join_words(list(slides))}"
        return Check(name, title, "pass", _join_sentences(line, rest))
    fix = f"{INFLATED}: split by slide (data.slide_csv for data=kaggle)"
    line = _join_sentences(*lines, rest)
    return Check(name, title, "fail", line, fix, len(patches), _group_by_slide(patches, slides))


def _slides_by_split(sources: Sources) -> dict[str, Slides]:
    """Return the slide of each patch, (N,), by split.

    Args:
        sources: The splits.

    Returns:
        Only the splits whose slides are known.
    """
    slides = {}
    for split, source in sources.items():
        if source.groups is not None:
            slides[split] = np.asarray(source.groups)
    return slides


def _patches_at(split: str, source: PatchSource, chosen: NDArray[np.bool_]) -> list[Patch]:
    """Return the patches of a split that are chosen, bool (N,)."""
    return [patch_at(split, source, row) for row in np.flatnonzero(chosen)]


def _group_by_slide(patches: Iterable[Patch], slides: Mapping[str, Slides]) -> tuple[Group, ...]:
    """Return the patches of each slide in a group.

    Args:
        patches: Of any splits.
        slides: The slide of each patch, (N,), by split.
    """
    by_slide: dict[str, list[Patch]] = {}
    for patch in sorted(patches):
        slide = slides[patch.split][patch.row]
        by_slide.setdefault(str(slide), []).append(patch)
    return tuple(map(tuple, by_slide.values()))


def _join_sentences(*sentences: str) -> str:
    """Return the sentences that are not empty, with semicolons."""
    return "; ".join(filter(None, sentences))
