"""What an audit looks for, check by check: a verdict, a line, what mends it, and the patches concerned."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pcam.data.audit.quality import furthest
from pcam.data.base import PatchSource, Subset
from pcam.data.storage.checksums import official

Verdict = Literal["pass", "warn", "fail", "unknown"]
IMBALANCE = 0.1  # difference between splits' shares of the positive class
STAIN_SHIFT = 1.0  # standardised distance between splits' stains
FAULTS = {
    "blank": ("Blank patches", "without colour or structure"),
    "dark": ("Dark patches", "darker than tissue gets"),
    "blurred": ("Blurred patches", "out of focus"),
    "foreign": (
        "Foreign colours",
        "with colours that haematoxylin and eosin cannot mix (pen, dye, dirt)",
    ),
    "void": ("Missing rows or columns", "partly without a picture"),
}


class Patch(NamedTuple):
    """Where a patch is: its split, its row there (what ``source.read`` takes), its id."""

    split: str
    row: int
    id: str


Group = tuple[Patch, ...]


@dataclass(frozen=True)
class Check:
    """One thing that was looked for.

    Attributes:
        name: key, "equal_within" for one.
        title: the same in words.
        verdict: pass, warn, fail, or unknown where the source does not tell what is needed.
        line: what was found, one sentence.
        mend: what to do about it; empty where there is nothing to do.
        count: patches that are too many, faulty or leaked; 0 where nothing was found.
        groups: all patches found, those that belong together (equal ones, for instance) in one group.
    """

    name: str
    title: str
    verdict: Verdict
    line: str
    mend: str = ""
    count: int = 0
    groups: tuple[Group, ...] = ()


def copies(groups: Sequence[Group], name: str, title: str, words: str) -> tuple[Check, Check]:
    """Return the checks of copies within a split and across splits; near-equal clusters count once, where they reach.

    Args:
        groups: of equal or near-equal patches.
        name: "equal" or "near".
        title: of the checks.
        words: what the patches of a group are to each other.
    """
    within: list[Group] = []
    across: list[Group] = []
    for group in groups:
        by_split: dict[str, list[Patch]] = {}
        for patch in group:
            by_split.setdefault(patch.split, []).append(patch)
        if len(by_split) > 1:
            across.append(group)
        if name == "equal" or len(by_split) == 1:
            within += [tuple(patches) for patches in by_split.values() if len(patches) > 1]
    inside = Check(
        f"{name}_within",
        f"{title} within a split",
        "pass",
        f"no patch is {words} to another one of its split",
    )
    if within:
        extra = [patch for group in within for patch in group[1:]]
        line = f"{_count(len(extra), 'copy')}, {words}, of another patch of the same split: {_by_split(extra)}"
        mend = (
            "data.duplicates=drop keeps one of each"
            if name == "equal"
            else "they count double in training: look at them"
        )
        inside = replace(
            inside, verdict="warn", line=line, mend=mend, count=len(extra), groups=tuple(within)
        )
    between = Check(
        f"{name}_across",
        f"{title} across splits",
        "pass",
        f"no patch is {words} to one of another split",
    )
    if across:
        leaked = list(chain(*across))
        line = f"{_count(len(across), 'group')} of patches, {words}, in several splits: {_by_split(leaked)}"
        mend = "figures on valid and test are too good: "
        mend += (
            "data.duplicates=drop"
            if name == "equal"
            else "split by slide, or leave them out of train"
        )
        between = replace(
            between, verdict="fail", line=line, mend=mend, count=len(leaked), groups=tuple(across)
        )
    return inside, between


def contradictions(
    groups: Sequence[Group],
    label: Callable[[Patch], int | None],
    labelled: bool,
    name: str,
    verdict: Verdict,
) -> Check:
    """Return the check of labels within groups of equal or near-equal patches.

    PatchCamelyon's law is about the centre, which none of the square's symmetries moves; so near-equal patches have one label.
    """
    words = "equal" if name == "equal" else "near-equal"
    check = Check(
        f"labels_{name}",
        f"Contradicting labels of {words} patches",
        "unknown",
        "the source has no labels",
    )
    if not labelled:
        return check
    found = tuple(group for group in groups if {0, 1} <= {label(patch) for patch in group})
    if not found:
        return replace(check, verdict="pass", line=f"no two {words} patches have different labels")
    patches = list(chain(*found))
    line = (
        f"{_count(len(found), 'group')} of {words} patches with both labels: {_by_split(patches)}"
    )
    mend = "at most one of the labels is right: leave these patches out (splits=file)"
    return replace(check, verdict=verdict, line=line, mend=mend, count=len(patches), groups=found)


def slide_leakage(sources: Mapping[str, PatchSource]) -> Check:
    """Return the check of slides that lie in two splits, and how many patches they hold."""
    name, title = "slides", "Slides in more than one split"
    known = {
        split: np.asarray(source.groups)
        for split, source in sources.items()
        if source.groups is not None
    }
    if len(sources) == 1:
        return Check(name, title, "unknown", "there is one split alone")
    if len(known) < 2:
        mend = "give slide names: the meta csv (data=pcam), data.slide_csv (data=kaggle)"
        return Check(
            name,
            title,
            "unknown",
            f"slides are unknown of {_listed([s for s in sources if s not in known])}",
            mend,
        )
    parts, places = [], set()
    for a, b in combinations(known, 2):
        shared = np.intersect1d(known[a], known[b])
        if len(shared):
            inside = {split: np.isin(known[split], shared) for split in (a, b)}
            places |= {(split, int(i)) for split in (a, b) for i in np.flatnonzero(inside[split])}
            share = " and ".join(f"{inside[split].mean():.1%} of {split}" for split in (a, b))
            parts.append(f"{_count(len(shared), 'slide')} in both {a} and {b}, with {share}")
    unknown = [split for split in sources if split not in known]
    rest = f"; slides of {_listed(unknown)} are unknown" if unknown else ""
    if not parts:
        return Check(name, title, "pass", f"no slide is in two of {_listed(list(known))}{rest}")
    by_slide: dict[str, list[Patch]] = {}
    for split, index in sorted(places):
        by_slide.setdefault(str(known[split][index]), []).append(
            Patch(split, index, str(sources[split].ids[index]))
        )
    mend = "figures on valid and test are too good: split by slide (data.slide_csv for data=kaggle)"
    return Check(
        name,
        title,
        "fail",
        "; ".join(parts) + rest,
        mend,
        len(places),
        tuple(map(tuple, by_slide.values())),
    )


def swapped(sources: Mapping[str, PatchSource]) -> Check:
    """Return whether PatchCamelyon's official files bear each other's names; labels say which csv of slides is whose."""
    name, title = "swapped", "Valid and test swapped"
    wrong, known = [], 0
    for split, source in sources.items():
        files: Mapping[str, Path] = getattr(_unlimited(source), "files", {})
        content = {part: official(files[part]) for part in ("y",) if part in files}
        if (
            content.get("y") is not None and split != "train"
        ):  # the pixels' 0.9 GB are read if the labels are official ones
            content["x"] = official(files["x"])
        known += content.get("y") is not None
        for part, is_ in content.items():
            if is_ is not None and is_ != f"{split}_{part}":
                wrong.append(f"{files[part].name} is the official {is_}.h5")
        if "meta" in files and f"_{split}_" not in files["meta"].name:
            known += 1
            wrong.append(
                f"{files['meta'].name} agrees with the labels of {split} (and was read as its)"
            )
    if wrong:
        severe = any("official" in line for line in wrong)
        return Check(
            name,
            title,
            "fail" if severe else "warn",
            "; ".join(wrong),
            "rename the files",
            len(wrong),
        )
    if known:
        return Check(
            name, title, "pass", "the official files bear the names that their content has"
        )
    return Check(
        name,
        title,
        "unknown",
        "these are not PatchCamelyon's official files, whose checksums are known",
    )


def _unlimited(source: PatchSource) -> PatchSource:
    while isinstance(source, Subset):
        source = source.whole
    return source


def ids(sources: Mapping[str, PatchSource], sha1: Mapping[str, NDArray[np.uint8]]) -> Check:
    """Return whether ids that look like SHA-1 (Kaggle's) are their pixels' own."""
    name, title = "ids", "Ids against pixels"
    wrong: list[Patch] = []
    checked = 0
    for split, source in sources.items():
        if not all(re.fullmatch("[0-9a-fA-F]{40}", name) for name in source.ids):
            continue
        checked += len(source)
        said = np.frombuffer(bytes.fromhex("".join(source.ids)), np.uint8).reshape(-1, 20)
        bad = np.flatnonzero((said != sha1[split]).any(1))
        wrong += [Patch(split, int(i), str(source.ids[int(i)])) for i in bad]
    if not checked:
        return Check(name, title, "unknown", "ids are names, not digests")
    if not wrong:
        return Check(name, title, "pass", f"all {checked:,} ids are the SHA-1 of their pixels")
    line = (
        f"{len(wrong):,} of {checked:,} ids are not the SHA-1 of their pixels: {_by_split(wrong)}"
    )
    return Check(
        name,
        title,
        "fail",
        line,
        "get these files again, or data.mismatch=drop",
        len(wrong),
        _singles(wrong),
    )


def classes(sources: Mapping[str, PatchSource]) -> Check:
    """Return the check of the classes' shares."""
    name, title = "classes", "Classes"
    share = {
        split: float(np.mean(source.labels))
        for split, source in sources.items()
        if source.labels is not None
    }
    if not share:
        return Check(name, title, "unknown", "the source has no labels")
    line = "positive: " + ", ".join(f"{value:.1%} of {split}" for split, value in share.items())
    alone = [split for split, value in share.items() if value in (0, 1)]
    if alone:
        return Check(
            name,
            title,
            "fail",
            line,
            f"{_listed(alone)} holds one class alone: no AUROC",
            len(alone),
        )
    error = np.sqrt(
        sum(value * (1 - value) / len(sources[split]) for split, value in share.items())
    )
    if max(share.values()) - min(share.values()) > max(
        IMBALANCE, 4 * error
    ):  # more than few patches give by chance
        return Check(
            name,
            title,
            "warn",
            line,
            "splits differ by more than 10 points: thresholds do not carry over",
            len(share),
        )
    return Check(name, title, "pass", line)


def faulty(
    sources: Mapping[str, PatchSource], flagged: Mapping[str, Mapping[str, NDArray[np.bool_]]]
) -> list[Check]:
    """Return the checks of single patches.

    Args:
        sources: the splits.
        flagged: by split, `pcam.data.audit.quality.faults`.
    """
    out = []
    for fault, (title, what) in FAULTS.items():
        patches = [
            Patch(split, int(i), str(source.ids[int(i)]))
            for split, source in sources.items()
            for i in np.flatnonzero(flagged[split][fault])
        ]
        check = Check(fault, title, "pass", f"no patch is {what}")
        if patches:
            line = f"{_count(len(patches), 'patch')} {what}: {_by_split(patches)}{_positive(patches, sources)}"
            mend = "look at them: a few do no harm; many, or most of one class, do"
            check = replace(
                check,
                verdict="warn",
                line=line,
                mend=mend,
                count=len(patches),
                groups=_singles(patches),
            )
        out.append(check)
    return out


def _positive(patches: Sequence[Patch], sources: Mapping[str, PatchSource]) -> str:
    """Return "; 12 positive", or nothing where there are no labels."""
    labels = [
        known[patch.row] for patch in patches if (known := sources[patch.split].labels) is not None
    ]
    return f"; {int(np.sum(labels)):,} positive" if labels else ""


def stain_shift(distances: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Check:
    """Return the check of `pcam.data.audit.quality.stain_distance` between splits."""
    name, title = "stain", "Stain across splits"
    value, between = furthest(distances)
    if not between:
        return Check(name, title, "unknown", "there is one split alone, or no tissue")
    line = f"the means of {between} differ by {value:.2f} standard deviations of patches, the most of all pairs"
    if value >= STAIN_SHIFT:
        return Check(
            name,
            title,
            "warn",
            line,
            "expect a drop between the splits: augment colour (aug=dihedral_color)",
            1,
        )
    return Check(name, title, "pass", line)


def _singles(patches: Sequence[Patch]) -> tuple[Group, ...]:
    return tuple((patch,) for patch in patches)


def _by_split(patches: Sequence[Patch]) -> str:
    """Return "209 in train, 3 in valid"."""
    counts: dict[str, int] = {}
    for patch in patches:
        counts[patch.split] = counts.get(patch.split, 0) + 1
    return ", ".join(f"{count:,} in {split}" for split, count in counts.items())


def _count(number: int, noun: str) -> str:
    """Return "1 patch", "2 patches", "3 copies"."""
    plural = {"patch": "patches", "copy": "copies"}.get(noun, f"{noun}s")
    return f"{number:,} {noun if number == 1 else plural}"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
