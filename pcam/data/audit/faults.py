"""Checks of single patches: blank, dark, blurred, foreign colours, missing rows."""

from collections.abc import Mapping, Sequence

import numpy as np

from pcam.config.classes import UNNAMED, Classes, describe_positive
from pcam.data.audit.check import Check, Patch, count_by_split, one_per_group, patch_at
from pcam.data.audit.quality import Faults
from pcam.data.base import PatchSource
from pcam.stats.formatting import pluralize

FIX = "review them: a few do no harm; many, or most of one class, do"
# The title of each fault, what follows "12 patches", and what follows "no patch".
FAULTS = {
    "blank": ("Blank patches", "without colour or structure", "is without colour or structure"),
    "dark": ("Dark patches", "darker than tissue", "is darker than tissue"),
    "blurred": ("Blurred patches", "out of focus", "is out of focus"),
    "foreign": (
        "Foreign colours",
        "with colours that haematoxylin and eosin cannot mix (pen, dye, dirt)",
        "has colours that haematoxylin and eosin cannot mix",
    ),
    "void": ("Missing rows or columns", "partly without a picture", "is partly without a picture"),
}


def faulty_patches(
    sources: Mapping[str, PatchSource],
    flagged: Mapping[str, Faults],
    classes: Classes = UNNAMED,
) -> list[Check]:
    """Check single patches for each fault.

    Args:
        sources: The splits.
        flagged: By split, of `pcam.data.audit.quality.find_faults`.
        classes: The names of the labels 0 and 1.

    Returns:
        A check for each of `FAULTS`.
    """
    checks = []
    for fault in FAULTS:
        patches = []
        for split, source in sources.items():
            rows = np.flatnonzero(flagged[split][fault])
            patches += [patch_at(split, source, row) for row in rows]
        checks.append(_check_fault(fault, patches, sources, classes))
    return checks


def _check_fault(
    fault: str, patches: Sequence[Patch], sources: Mapping[str, PatchSource], classes: Classes
) -> Check:
    """Return the result of the check for one fault.

    Args:
        fault: Key of `FAULTS`.
        patches: That have it.
        sources: The splits.
        classes: The names of the labels 0 and 1.
    """
    title, faulty, clean = FAULTS[fault]
    if not patches:
        return Check(fault, title, "pass", f"no patch {clean}")
    line = f"{pluralize(len(patches), 'patch')} {faulty}: {count_by_split(patches)}"
    labels = [_label(patch, sources) for patch in patches]
    known = [label for label in labels if label is not None]
    if known:
        line += f"; {sum(known):,} {describe_positive(classes)}"
    return Check(fault, title, "warn", line, FIX, len(patches), one_per_group(patches))


def _label(patch: Patch, sources: Mapping[str, PatchSource]) -> int | None:
    labels = sources[patch.split].labels
    return None if labels is None else int(labels[patch.row])
