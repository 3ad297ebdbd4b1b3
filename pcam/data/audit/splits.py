"""Checks of whole splits against each other: classes, stain."""

import numpy as np

from pcam.config.classes import UNNAMED, Classes, describe_positive
from pcam.data.audit.check import Check, Sources
from pcam.data.audit.quality import StainDistances, largest_stain_distance
from pcam.stats.formatting import join_words

IMBALANCE = 0.1  # difference between splits' shares of the positive class
STAIN_SHIFT = 1.0  # standardised distance between splits' stains


def class_balance(sources: Sources, classes: Classes = UNNAMED) -> Check:
    """Check that every split has both classes, and all splits similar shares of them.

    Args:
        sources: The splits; those without labels are not checked.
        classes: The names of the labels 0 and 1.
    """
    name, title = "classes", "Classes"
    shares = _positive_shares(sources)
    if not shares:
        return Check(name, title, "unknown", "the source has no labels")
    listed = [f"{share:.1%} of {split}" for split, share in shares.items()]
    line = f"{describe_positive(classes)}: {', '.join(listed)}"
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
