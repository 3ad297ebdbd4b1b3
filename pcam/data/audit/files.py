"""Checks of a source's files: official files under another name, ids that are not their pixels'."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcam.data.audit.check import (
    Check,
    Patch,
    Sources,
    Verdict,
    count_by_split,
    one_per_group,
    patch_at,
)
from pcam.data.base import PatchSource, Subset
from pcam.data.storage.checksums import official

SHA1 = re.compile("[0-9a-fA-F]{40}")


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
