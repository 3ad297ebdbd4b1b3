"""The result of one check: a verdict, a sentence, what fixes it, and the patches concerned."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from pcam.data.base import PatchSource

Verdict = Literal["pass", "warn", "fail", "unknown"]
VERDICTS: tuple[Verdict, ...] = ("fail", "warn", "pass", "unknown")  # the worst first
INFLATED = "metrics on valid and test are too high"  # because of leakage


class Patch(NamedTuple):
    """Where a patch is: its split, its row there (what ``source.read`` takes), its id."""

    split: str
    row: int
    id: str


Group = tuple[Patch, ...]
Sources = Mapping[str, PatchSource]  # by split


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        name: Key, such as "equal_within".
        title: The same in words.
        verdict: "pass", "warn", "fail", or "unknown" if the source lacks what is needed.
        line: What was found, one sentence.
        fix: What to do about it; empty if there is nothing to do.
        count: Patches that are superfluous, faulty or leaked; 0 if nothing was found.
        groups: All patches found; those that belong together, such as equal ones, in one group.
    """

    name: str
    title: str
    verdict: Verdict
    line: str
    fix: str = ""
    count: int = 0
    groups: tuple[Group, ...] = ()


def patch_at(split: str, source: PatchSource, row: int | np.integer) -> Patch:
    """Return the patch of a split's row."""
    return Patch(split, int(row), str(source.ids[int(row)]))


def one_per_group(patches: Sequence[Patch]) -> tuple[Group, ...]:
    """Return patches that do not belong together as groups of one."""
    return tuple((patch,) for patch in patches)


def count_by_split(patches: Sequence[Patch]) -> str:
    """Return "209 in train, 3 in valid"."""
    counts = Counter(patch.split for patch in patches)
    return ", ".join(f"{count:,} in {split}" for split, count in counts.items())


def sort_by_verdict(checks: Sequence[Check]) -> list[Check]:
    """Return checks with the worst first."""
    return sorted(checks, key=lambda check: VERDICTS.index(check.verdict))
