"""Checks of whole splits: shared slides, swapped files, ids, classes, stain."""

import re
from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcam.data.audit.check import (
    INFLATED,
    Check,
    Group,
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


def swapped_files(sources: Sources) -> Check:
    """Check that PatchCamelyon's official files have their own names.

    The labels decide which csv of slides belongs to which split.

    Args:
        sources: The splits.
    """
    name, title = "swapped", "Valid and test swapped"
    verdict: Verdict = "warn"
    lines: list[str] = []
    any_known = False
    for split, source in sources.items():
        files = _files_of(source)
        content = _official_content(split, files)
        if content:
            any_known = True
        for part in _misnamed_parts(split, content):
            lines.append(f"{files[part].name} is the official {content[part]}.h5")
            verdict = "fail"
        if "meta" in files and f"_{split}_" not in files["meta"].name:
            lines.append(
                f"{files['meta'].name} agrees with the labels of {split} (and was read as such)"
            )
    if lines:
        return Check(name, title, verdict, "; ".join(lines), "rename the files", len(lines))
    if any_known:
        return Check(name, title, "pass", "the official files have the names of their content")
    line = "these are not PatchCamelyon's official files, whose checksums are known"
    return Check(name, title, "unknown", line)


def _misnamed_parts(split: str, content: Mapping[str, str]) -> list[str]:
    """Return the parts of a split that are read from another split's official file.

    Args:
        split: Its name.
        content: Of `_official_content`.
    """
    return [part for part, official_name in content.items() if official_name != f"{split}_{part}"]


def _files_of(source: PatchSource) -> Mapping[str, Path]:
    """Return the files of a source by part ("x", "y", "meta"), if it has such.

    Args:
        source: A split, or a part of one.
    """
    while isinstance(source, Subset):
        source = source.whole
    files: Mapping[str, Path] = getattr(source, "files", {})
    return files


def _official_content(split: str, files: Mapping[str, Path]) -> dict[str, str]:
    """Return which official file each file really is.

    Args:
        split: The split that the files were read as.
        files: By part ("x", "y", "meta").

    Returns:
        Name ("test_y") by part; {} for files that are not official.
    """
    if "y" not in files:
        return {}
    labels = official(files["y"])
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
    """Check that every split has both classes, and all splits similar shares of them.

    Args:
        sources: The splits; those without labels are not checked.
    """
    name, title = "classes", "Classes"
    shares = _positive_shares(sources)
    if not shares:
        return Check(name, title, "unknown", "the source has no labels")
    listed = [f"{share:.1%} of {split}" for split, share in shares.items()]
    line = f"positive: {', '.join(listed)}"
    one_class = [split for split, share in shares.items() if share in (0, 1)]
    if one_class:
        fix = f"{join_words(one_class)} has only one class: no AUROC"
        return Check(name, title, "fail", line, fix, len(one_class))
    variances = [share * (1 - share) / len(sources[split]) for split, share in shares.items()]
    by_chance = 4 * np.sqrt(sum(variances))
    difference = max(shares.values()) - min(shares.values())
    if difference > max(IMBALANCE, by_chance):
        fix = "splits differ by more than 10 points: thresholds do not transfer between them"
        return Check(name, title, "warn", line, fix, len(shares))
    return Check(name, title, "pass", line)


def _positive_shares(sources: Sources) -> dict[str, float]:
    """Return the share of positive patches by split.

    Args:
        sources: The splits.

    Returns:
        Only the splits that have labels.
    """
    shares = {}
    for split, source in sources.items():
        if source.labels is not None:
            shares[split] = float(np.mean(source.labels))
    return shares


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
