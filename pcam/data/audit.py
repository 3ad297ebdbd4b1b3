"""The audit of a source: copies, leakage, contradicting labels, faulty patches, stain, swapped files.

One pass over the patches (`pcam.data.survey`); what is found in its figures is a list of checks, each with a verdict, one line,
what mends it, and every patch concerned.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pcam.data import near
from pcam.data.checksums import official
from pcam.data.quality import THRESHOLDS, faults, furthest, stain_distance, stain_figures
from pcam.data.source import Indices, Part, Source
from pcam.data.survey import LUMA, Floats, Survey, averaged, keys, survey

Verdict = Literal["pass", "warn", "fail", "unknown"]
IMBALANCE = 0.1  # difference between splits' shares of the positive class
STAIN_SHIFT = 1.0  # standardised distance between splits' stains
DROP = "data.duplicates=drop keeps one of each"


class Patch(NamedTuple):
    """Where a patch is: its split, its index there, its id."""

    split: str
    index: int
    id: str


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
    groups: tuple[tuple[Patch, ...], ...] = ()


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        splits: by split: patches, positive (None: no labels), slides (None: unknown), distinct (by SHA-1), shape.
        stain: by split and stain: mean, sd, sd_between_slides and histogram of optical density (`pcam.data.quality`).
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
        """Return everything as plain values, for JSON: a patch is [split, index, id]."""
        return {"verdict": self.verdict, **asdict(self)}


def audit(sources: Mapping[str, Source], progress: Callable[[str, int, int], None] | None = None) -> Audit:
    """Look at every patch of every split once.

    Args:
        sources: the splits, by name. Labels and slides may be unknown (None), of some or all.
        progress: told (split, patches done, patches) now and then.
    """
    surveys = {
        split: survey(source, None if progress is None else lambda done, of, split=split: progress(split, done, of))  # type: ignore[misc]
        for split, source in sources.items()
    }
    whole = _Whole(sources, surveys)
    equal = whole.equal()
    alike = whole.near()
    distances = {f"{a} and {b}": stain_distance(surveys[a].stain, surveys[b].stain) for a, b in combinations(sources, 2)}
    return Audit(
        splits={
            split: {
                "patches": len(source),
                "positive": None if source.labels is None else int(np.sum(source.labels)),
                "slides": None if source.groups is None else len(set(source.groups)),
                "distinct": len(np.unique(keys(surveys[split].sha1))),
                "shape": list(source.read(np.arange(1)).shape[1:]),
            }
            for split, source in sources.items()
        },
        stain={split: stain_figures(surveys[split].stain, source.groups) for split, source in sources.items()},
        stain_distances=distances,
        checks=(
            *_copies(equal, "equal", "Equal patches", "equal (SHA-1)"),
            *_copies(alike, "near", "Near-equal patches", "near-equal (turned, mirrored, encoded again, brighter or darker)"),
            _contradictions(whole, equal, "equal", "fail"),
            _contradictions(whole, alike, "near", "warn"),
            _slide_leakage(sources),
            _swapped(sources),
            _ids(sources, surveys),
            _classes(sources),
            *_faulty(sources, surveys),
            _stain_shift(distances),
        ),
    )


class _Whole:
    """All patches of all splits in one row: those of the first split, then of the second, and so on."""

    def __init__(self, sources: Mapping[str, Source], surveys: Mapping[str, Survey]) -> None:
        self.sources, self.surveys = sources, surveys
        self.names = list(sources)
        self.starts = np.cumsum([0, *(len(source) for source in sources.values())])
        sha1 = np.concatenate([surveys[split].sha1 for split in self.names])
        _, self.first, self.content = np.unique(keys(sha1), return_index=True, return_inverse=True)
        order = np.argsort(self.content, kind="stable")
        self.copies = np.split(order, np.cumsum(np.bincount(self.content, minlength=len(self.first)))[:-1])

    def patch(self, place: int) -> Patch:
        number = int(np.searchsorted(self.starts, place, side="right")) - 1
        split, index = self.names[number], int(place - self.starts[number])
        return Patch(split, index, str(self.sources[split].ids[index]))

    def label(self, patch: Patch) -> int | None:
        labels = self.sources[patch.split].labels
        return None if labels is None else int(labels[patch.index])

    def equal(self) -> list[tuple[Patch, ...]]:
        """Return the groups of patches of equal pixels."""
        return [tuple(map(self.patch, group)) for group in self.copies if len(group) > 1]

    def near(self) -> list[tuple[Patch, ...]]:
        """Return the clusters of near-equal patches, with all of their copies; dark and blank ones do not take part."""
        joined = {name: np.concatenate([getattr(self.surveys[split], name) for split in self.names]) for name in ("hash", "thumb")}
        left_out = np.concatenate([f["dark"] | f["blank"] for f in (faults(self.surveys[split]) for split in self.names)])
        place = np.sort(self.first[~left_out[self.first]])
        found = near.clusters(joined["hash"][place], joined["thumb"][place], lambda chosen: self._images(place[chosen]))
        return [tuple(self.patch(p) for p in np.sort(np.concatenate([self.copies[self.content[place[c]]] for c in cluster])))
                for cluster in found]  # fmt: skip

    def _images(self, places: Indices) -> Floats:
        out = np.empty((len(places), near.SIDE, near.SIDE), np.float32)
        number = np.searchsorted(self.starts, places, side="right") - 1
        for split in np.unique(number):
            rows = number == split
            indices, back = np.unique(places[rows] - self.starts[split], return_inverse=True)
            out[rows] = (averaged(self.sources[self.names[split]].read(indices), near.SIDE) @ LUMA)[back]
        return out


def _copies(groups: Sequence[tuple[Patch, ...]], name: str, title: str, words: str) -> tuple[Check, Check]:
    """Return the checks of copies within a split and across splits; near-equal clusters count once, where they reach."""
    within, across = [], []
    for group in groups:
        by_split: dict[str, list[Patch]] = {}
        for patch in group:
            by_split.setdefault(patch.split, []).append(patch)
        if len(by_split) > 1:
            across.append(group)
        if name == "equal" or len(by_split) == 1:
            within += [tuple(patches) for patches in by_split.values() if len(patches) > 1]
    extra = sum(len(group) - 1 for group in within)
    per_split = _by_split([patch for group in within for patch in group[1:]])
    leaked = sum(map(len, across))
    return (
        Check(
            f"{name}_within", f"{title} within a split", "warn" if within else "pass",
            f"{extra:,} patches are copies, {words}, of another one of their split: {per_split}" if within
            else f"no patch is {words} to another one of its split",
            DROP if within and name == "equal" else "look at them; a source's own list of patches to leave out mends it"
            if within else "", extra, tuple(within),
        ),
        Check(
            f"{name}_across", f"{title} across splits", "fail" if across else "pass",
            f"{leaked:,} patches of {len(across):,} groups, {words}, lie in more than one split: {_by_split(sum(across, ()))}"
            if across else f"no patch is {words} to one of another split",
            "figures on valid and test are too good: data.duplicates=drop, or split by slide" if across else "",
            leaked, tuple(across),
        ),
    )  # fmt: skip


def _contradictions(whole: _Whole, groups: Sequence[tuple[Patch, ...]], name: str, verdict: Verdict) -> Check:
    """Return the check of labels; PatchCamelyon's law is about the centre, which no symmetry moves, so near-equal ones count."""
    words = "equal" if name == "equal" else "near-equal"
    title = f"Contradicting labels of {words} patches"
    if all(source.labels is None for source in whole.sources.values()):
        return Check(f"labels_{name}", title, "unknown", "the source has no labels")
    found = tuple(group for group in groups if {0, 1} <= {whole.label(patch) for patch in group})
    count = sum(map(len, found))
    if not found:
        return Check(f"labels_{name}", title, "pass", f"no two {words} patches have different labels")
    line = f"{len(found):,} groups of {words} patches ({count:,} patches) have both labels: {_by_split(sum(found, ()))}"
    return Check(f"labels_{name}", title, verdict, line, "at most one of the labels is right: leave the groups out", count, found)


def _slide_leakage(sources: Mapping[str, Source]) -> Check:
    name, title = "slides", "Slides in more than one split"
    known = {split: np.asarray(source.groups) for split, source in sources.items() if source.groups is not None}
    if len(known) < 2:
        mend = "give slide names: the meta csv (data=pcam), data.slide_csv (data=kaggle)"
        return Check(name, title, "unknown", f"slides are unknown of {_listed([s for s in sources if s not in known])}", mend)
    parts, places = [], set()
    for a, b in combinations(known, 2):
        shared = np.intersect1d(known[a], known[b])
        if len(shared):
            inside = {split: np.isin(known[split], shared) for split in (a, b)}
            places |= {(split, int(i)) for split in (a, b) for i in np.flatnonzero(inside[split])}
            share = " and ".join(f"{inside[split].mean():.1%} of {split}" for split in (a, b))
            parts.append(f"{len(shared):,} slides are in {a} and {b}, with {share}")
    unknown = [split for split in sources if split not in known]
    rest = f"; slides of {_listed(unknown)} are unknown" if unknown else ""
    if not parts:
        return Check(name, title, "pass", f"no slide is in two of {_listed(list(known))}{rest}")
    by_slide: dict[str, list[Patch]] = {}
    for split, index in sorted(places):
        by_slide.setdefault(str(known[split][index]), []).append(Patch(split, index, str(sources[split].ids[index])))
    mend = "figures on valid and test are too good: split by slide (data.slide_csv for data=kaggle)"
    return Check(name, title, "fail", "; ".join(parts) + rest, mend, len(places), tuple(map(tuple, by_slide.values())))


def _swapped(sources: Mapping[str, Source]) -> Check:
    """Return whether PatchCamelyon's official files bear each other's names; labels say which csv of slides is whose."""
    name, title = "swapped", "Valid and test swapped"
    wrong, known = [], 0
    for split, source in sources.items():
        files: Mapping[str, Path] = getattr(_unlimited(source), "files", {})
        content = {part: official(files[part]) for part in ("y",) if part in files}
        if content.get("y") is not None and split != "train":  # the pixels' 0.9 GB are read if the labels are official ones
            content["x"] = official(files["x"])
        known += content.get("y") is not None
        for part, is_ in content.items():
            if is_ is not None and is_ != f"{split}_{part}":
                wrong.append(f"{files[part].name} is the official {is_}.h5")
        if "meta" in files and f"_{split}_" not in files["meta"].name:
            known += 1
            wrong.append(f"{files['meta'].name} agrees with the labels of {split} (and was read as its)")
    if wrong:
        severe = any("official" in line for line in wrong)
        return Check(name, title, "fail" if severe else "warn", "; ".join(wrong), "rename the files", len(wrong))
    if known:
        return Check(name, title, "pass", "the official files bear the names that their content has")
    return Check(name, title, "unknown", "these are not PatchCamelyon's official files, whose checksums are known")


def _unlimited(source: Source) -> Source:
    while isinstance(source, Part):
        source = source.whole
    return source


def _ids(sources: Mapping[str, Source], surveys: Mapping[str, Survey]) -> Check:
    """Return whether ids that look like SHA-1 (Kaggle's) are their pixels' own."""
    name, title = "ids", "Ids against pixels"
    wrong: list[Patch] = []
    checked = 0
    for split, source in sources.items():
        if not all(re.fullmatch("[0-9a-fA-F]{40}", i) for i in source.ids):
            continue
        checked += len(source)
        said = np.frombuffer(bytes.fromhex("".join(source.ids)), np.uint8).reshape(-1, 20)
        bad = np.flatnonzero((said != surveys[split].sha1).any(1))
        wrong += [Patch(split, int(i), source.ids[i]) for i in bad]
    if not checked:
        return Check(name, title, "unknown", "ids are names, not digests")
    if not wrong:
        return Check(name, title, "pass", f"all {checked:,} ids are the SHA-1 of their pixels")
    line = f"{len(wrong):,} of {checked:,} ids are not the SHA-1 of their pixels: {_by_split(wrong)}"
    return Check(name, title, "fail", line, "get these files again, or data.mismatch=drop", len(wrong), _singles(wrong))


def _classes(sources: Mapping[str, Source]) -> Check:
    name, title = "classes", "Classes"
    share = {split: float(np.mean(source.labels)) for split, source in sources.items() if source.labels is not None}
    if not share:
        return Check(name, title, "unknown", "the source has no labels")
    line = "positive: " + ", ".join(f"{value:.1%} of {split}" for split, value in share.items())
    alone = [split for split, value in share.items() if value in (0, 1)]
    if alone:
        return Check(name, title, "fail", line, f"{_listed(alone)} holds one class alone: no AUROC", len(alone))
    if max(share.values()) - min(share.values()) > IMBALANCE:
        return Check(name, title, "warn", line, "splits differ by more than 10 points: thresholds do not carry over", len(share))
    return Check(name, title, "pass", line)


def _faulty(sources: Mapping[str, Source], surveys: Mapping[str, Survey]) -> list[Check]:
    found: dict[str, list[Patch]] = {}
    for split, source in sources.items():
        for fault, flagged in faults(surveys[split]).items():
            patches = found.setdefault(fault, [])
            patches += [Patch(split, int(i), str(source.ids[i])) for i in np.flatnonzero(flagged)]
    words = {
        "blank": ("Blank patches", "without colour or structure"),
        "dark": ("Dark patches", "darker than tissue gets"),
        "blurred": ("Blurred patches", "out of focus"),
        "foreign": ("Foreign colours", "with colours that haematoxylin and eosin cannot mix (pen, dye, dirt)"),
        "void": ("Missing rows or columns", "partly without a picture"),
    }
    return [
        Check(fault, title, "warn" if found[fault] else "pass",
              f"{len(found[fault]):,} patches are {what}: {_by_split(found[fault])}" if found[fault] else f"no patch is {what}",
              "look at them: few do no harm; many, or in one class alone, do" if found[fault] else "",
              len(found[fault]), _singles(found[fault]))
        for fault, (title, what) in words.items()
    ]  # fmt: skip


def _stain_shift(distances: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Check:
    name, title = "stain", "Stain across splits"
    value, between = furthest(distances)
    if not between:
        return Check(name, title, "unknown", "there is one split alone, or no tissue")
    line = f"the means of {between} differ by {value:.2f} standard deviations of patches, the most of all pairs"
    if value >= STAIN_SHIFT:
        return Check(name, title, "warn", line, "expect a drop between the splits: augment colour (aug=dihedral_color)", 1)
    return Check(name, title, "pass", line)


def _singles(patches: Sequence[Patch]) -> tuple[tuple[Patch, ...], ...]:
    return tuple((patch,) for patch in patches)


def _by_split(patches: Sequence[Patch]) -> str:
    """Return "209 in train, 3 in valid"."""
    counts: dict[str, int] = {}
    for patch in patches:
        counts[patch.split] = counts.get(patch.split, 0) + 1
    return ", ".join(f"{count:,} in {split}" for split, count in counts.items())


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
