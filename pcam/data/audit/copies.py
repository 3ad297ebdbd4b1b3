"""Checks of equal and near-equal patches: copies, leakage, contradicting labels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

from pcam.data.audit.check import INFLATED, Check, Group, Patch, Verdict, count_by_split
from pcam.stats.formatting import pluralize


@dataclass(frozen=True)
class CopyKind:
    """What is specific to checks of one kind of copy.

    Attributes:
        name: Prefix of the checks' names.
        adjective: Of the patches.
        details: How they are copies of each other.
        fix_within: What to do about copies within a split.
        fix_across: What to do about copies across splits.
        contradiction: Verdict on contradicting labels.
    """

    name: str
    adjective: str
    details: str
    fix_within: str
    fix_across: str
    contradiction: Verdict


EQUAL = CopyKind(
    name="equal",
    adjective="equal",
    details="SHA-1",
    fix_within="data.duplicates=drop keeps one of each",
    fix_across=f"{INFLATED}: data.duplicates=drop",
    contradiction="fail",
)
NEAR_EQUAL = CopyKind(
    name="near",
    adjective="near-equal",
    details="rotated, mirrored, re-encoded, brighter",
    fix_within="they count twice in training: review them",
    fix_across=f"{INFLATED}: split by slide, or leave them out of train",
    contradiction="warn",
)


def copies_within_splits(kind: CopyKind, groups: Sequence[Group]) -> Check:
    """Check for copies within a split.

    Args:
        kind: Of the groups.
        groups: Of equal or near-equal patches. A near-equal group that spans splits counts only in
            `copies_across_splits`.
    """
    name = f"{kind.name}_within"
    title = f"{kind.adjective.capitalize()} patches within a split"
    found: list[Group] = []
    for group in groups:
        by_split = _group_by_split(group)
        if kind is EQUAL or len(by_split) == 1:
            found += [patches for patches in by_split if len(patches) > 1]
    if not found:
        return Check(name, title, "pass", f"no two patches of a split are {kind.adjective}")
    superfluous = [patch for group in found for patch in group[1:]]
    count = pluralize(len(superfluous), "copy", "copies")
    line = (
        f"{count} of another patch of the same split, {kind.adjective} ({kind.details}):"
        f" {count_by_split(superfluous)}"
    )
    return Check(name, title, "warn", line, kind.fix_within, len(superfluous), tuple(found))


def copies_across_splits(kind: CopyKind, groups: Sequence[Group]) -> Check:
    """Check for copies across splits.

    Args:
        kind: Of the groups.
        groups: Of equal or near-equal patches.
    """
    name = f"{kind.name}_across"
    title = f"{kind.adjective.capitalize()} patches across splits"
    found = tuple(group for group in groups if len(_group_by_split(group)) > 1)
    if not found:
        return Check(name, title, "pass", f"no patch is {kind.adjective} to one of another split")
    leaked = list(chain(*found))
    line = (
        f"{pluralize(len(found), 'group')} of {kind.adjective} patches ({kind.details}) in several"
        f" splits: {count_by_split(leaked)}"
    )
    return Check(name, title, "fail", line, kind.fix_across, len(leaked), found)


def _group_by_split(group: Group) -> list[Group]:
    """Return the patches of a group in a group for each split.

    Args:
        group: Of any splits.
    """
    by_split: dict[str, list[Patch]] = {}
    for patch in group:
        by_split.setdefault(patch.split, []).append(patch)
    return list(map(tuple, by_split.values()))


def contradicting_labels(
    kind: CopyKind,
    groups: Sequence[Group],
    label: Callable[[Patch], int | None],
    labelled: bool,
) -> Check:
    """Check that the patches of a group have the same label.

    PatchCamelyon's labelling rule is about the centre, which the square's symmetries do not move.
    So near-equal patches have one label.

    Args:
        kind: Of the groups.
        groups: Of equal or near-equal patches.
        label: Returns a patch's label; None if its split has none.
        labelled: Whether any split has labels.
    """
    name = f"labels_{kind.name}"
    title = f"Contradicting labels of {kind.adjective} patches"
    if not labelled:
        return Check(name, title, "unknown", "the source has no labels")
    found = tuple(group for group in groups if {label(patch) for patch in group} >= {0, 1})
    if not found:
        line = f"no two {kind.adjective} patches have different labels"
        return Check(name, title, "pass", line)
    patches = list(chain(*found))
    line = (
        f"{pluralize(len(found), 'group')} of {kind.adjective} patches with both labels:"
        f" {count_by_split(patches)}"
    )
    fix = "at most one of the labels is right: leave these patches out (splits=file)"
    return Check(name, title, kind.contradiction, line, fix, len(patches), found)
