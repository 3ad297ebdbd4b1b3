"""Checks of whole splits: shared slides, swapped files, ids, classes, stain."""

import re
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcam.data.audit.check import (
    INFLATED,
    Check,
    Patch,
    Verdict,
    count_by_split,
    join_words,
    one_per_group,
    patch_at,
)
from pcam.data.audit.quality import StainDistances, largest_stain_distance
from pcam.data.base import PatchSource, Subset
from pcam.data.storage.checksums import official
from pcam.stats.formatting import pluralize

IMBALANCE = 0.1  # difference between splits' shares of the positive class
STAIN_SHIFT = 1.0  # standardised distance between splits' stains
SHA1 = re.compile("[0-9a-fA-F]{40}")

Sources = Mapping[str, PatchSource]


def shared_slides(sources: Sources) -> Check:
    """Check that no slide is in two splits, or say how many patches such slides have."""
    name, title = "slides", "Slides in more than one split"
    if len(sources) == 1:
        return Check(name, title, "unknown", "there is only one split")
    slides = {
        split: np.asarray(source.groups)
        for split, source in sources.items()
        if source.groups is not None
    }
    unknown = [split for split in sources if split not in slides]
    if len(slides) < 2:
        fix = "provide slide names: the meta csv (data=pcam), data.slide_csv (data=kaggle)"
        line = f"the slides of {join_words(unknown)} are unknown"
        return Check(name, title, "unknown", line, fix)
    rest = f"; the slides of {join_words(unknown)} are unknown" if unknown else ""

    lines: list[str] = []
    patches: set[Patch] = set()
    for first, second in combinations(slides, 2):
        shared = np.intersect1d(slides[first], slides[second])
        if not len(shared):
            continue
        shares = []
        for split in (first, second):
            inside = np.isin(slides[split], shared)
            patches |= {patch_at(split, sources[split], row) for row in np.flatnonzero(inside)}
            shares.append(f"{inside.mean():.1%} of {split}")
        count = pluralize(len(shared), "slide")
        lines.append(f"{count} in both {first} and {second}, with {' and '.join(shares)}")
    if not lines:
        line = f"no slide is in two of {join_words(list(slides))}{rest}"
        return Check(name, title, "pass", line)

    by_slide: dict[str, list[Patch]] = {}
    for patch in sorted(patches):
        by_slide.setdefault(str(slides[patch.split][patch.row]), []).append(patch)
    groups = tuple(tuple(group) for group in by_slide.values())
    fix = f"{INFLATED}: split by slide (data.slide_csv for data=kaggle)"
    return Check(name, title, "fail", "; ".join(lines) + rest, fix, len(patches), groups)


def swapped_files(sources: Sources) -> Check:
    """Check that PatchCamelyon's official files have their own names.

    The labels decide which csv of slides belongs to which split.
    """
    name, title = "swapped", "Valid and test swapped"
    lines: list[str] = []
    any_official_misnamed, any_known = False, False
    for split, source in sources.items():
        files = _files_of(source)
        content = _official_content(split, files)
        any_known |= bool(content)
        for part, official_name in content.items():
            if official_name != f"{split}_{part}":
                lines.append(f"{files[part].name} is the official {official_name}.h5")
                any_official_misnamed = True
        if "meta" in files and f"_{split}_" not in files["meta"].name:
            lines.append(
                f"{files['meta'].name} agrees with the labels of {split} (and was read as such)"
            )
    if lines:
        verdict: Verdict = "fail" if any_official_misnamed else "warn"
        return Check(name, title, verdict, "; ".join(lines), "rename the files", len(lines))
    if any_known:
        return Check(name, title, "pass", "the official files have the names of their content")
    line = "these are not PatchCamelyon's official files, whose checksums are known"
    return Check(name, title, "unknown", line)


def _files_of(source: PatchSource) -> Mapping[str, Path]:
    """Return the files of a source by part ("x", "y", "meta"), if it has such."""
    while isinstance(source, Subset):
        source = source.whole
    files: Mapping[str, Path] = getattr(source, "files", {})
    return files


def _official_content(split: str, files: Mapping[str, Path]) -> dict[str, str]:
    """Return which official file each file really is, by part; {} for other files."""
    labels = official(files["y"]) if "y" in files else None
    if labels is None:
        return {}
    content = {"y": labels}
    if split != "train":  # only valid and test are confused; train's pixels are 7 GB
        pixels = official(files["x"])
        if pixels is not None:
            content["x"] = pixels
    return content


def ids_match_pixels(sources: Sources, sha1: Mapping[str, NDArray[np.uint8]]) -> Check:
    """Check that ids that look like SHA-1 (Kaggle's) are that of their pixels.

    Args:
        sources: The splits.
        sha1: By split, of the pixels, uint8 (N, 20).
    """
    name, title = "ids", "Ids and pixels"
    wrong: list[Patch] = []
    checked = 0
    for split, source in sources.items():
        if not all(SHA1.fullmatch(patch_id) for patch_id in source.ids):
            continue
        checked += len(source)
        expected = np.frombuffer(bytes.fromhex("".join(source.ids)), np.uint8).reshape(-1, 20)
        mismatches = np.flatnonzero((expected != sha1[split]).any(1))
        wrong += [patch_at(split, source, row) for row in mismatches]
    if not checked:
        return Check(name, title, "unknown", "ids are names, not digests")
    if not wrong:
        return Check(name, title, "pass", f"all {checked:,} ids are the SHA-1 of their pixels")
    line = (
        f"{len(wrong):,} of {checked:,} ids are not the SHA-1 of their pixels:"
        f" {count_by_split(wrong)}"
    )
    fix = "download these files again, or data.mismatch=drop"
    return Check(name, title, "fail", line, fix, len(wrong), one_per_group(wrong))


def class_balance(sources: Sources) -> Check:
    """Check that every split has both classes, and all splits similar shares of them."""
    name, title = "classes", "Classes"
    share = {
        split: float(np.mean(source.labels))
        for split, source in sources.items()
        if source.labels is not None
    }
    if not share:
        return Check(name, title, "unknown", "the source has no labels")
    line = "positive: " + ", ".join(f"{value:.1%} of {split}" for split, value in share.items())
    one_class = [split for split, value in share.items() if value in (0, 1)]
    if one_class:
        fix = f"{join_words(one_class)} has only one class: no AUROC"
        return Check(name, title, "fail", line, fix, len(one_class))
    variances = [value * (1 - value) / len(sources[split]) for split, value in share.items()]
    by_chance = 4 * np.sqrt(sum(variances))
    if max(share.values()) - min(share.values()) > max(IMBALANCE, by_chance):
        fix = "splits differ by more than 10 points: thresholds do not transfer between them"
        return Check(name, title, "warn", line, fix, len(share))
    return Check(name, title, "pass", line)


def stain_shift(distances: StainDistances) -> Check:
    """Check that the splits are stained similarly.

    Args:
        distances: Of `pcam.data.audit.quality.stain_distance`, by pair of splits.
    """
    name, title = "stain", "Stain across splits"
    value, where = largest_stain_distance(distances)
    if not where:
        return Check(name, title, "unknown", "there is only one split, or no tissue")
    line = (
        f"the means of {where} differ by {value:.2f} standard deviations of patches, the most of"
        " all pairs"
    )
    if value >= STAIN_SHIFT:
        fix = "expect a drop between the splits: augment colour (aug=dihedral_color)"
        return Check(name, title, "warn", line, fix, 1)
    return Check(name, title, "pass", line)
