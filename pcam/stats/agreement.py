"""What changes in a network's answers when the same patches are shown to it in another way."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from pcam.stats.compare import paired_difference
from pcam.stats.intervals import RESAMPLES, bootstrap_mean
from pcam.stats.metrics import Floats, Labels


def change(
    before: Floats,
    after: Floats,
    label: Labels,
    groups: Sequence[str] | None = None,
    *,
    floor: Floats | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Any]:
    """Compare the answers to the same patches shown in two ways, each figure with its interval.

    Args:
        before: (N,), log-odds of the positive class.
        after: (N,), of the same patches shown otherwise.
        label: (N,), 0 or 1.
        groups: N slide names, or None to draw patches.
        floor: (N,), log-odds after a change that should mean nothing: what is beyond it does mean something.
        resamples: of the bootstrap.
        seed: of the draws.

    Returns:
        "agreement", "to_positive" and "to_negative": shares of all patches whose call at probability 0.5 stays, becomes
        positive, becomes negative; "auroc": its change, with p; "probability" and "logodds": mean change of the positives
        and of the negatives; with a floor, "beyond": how much larger than its are the share of changed calls ("changed") and
        the change of AUROC, with p.
    """
    drawn: dict[str, Any] = {"resamples": resamples, "seed": seed}

    def mean(values: NDArray[Any], bounded: bool = False) -> dict[str, float]:
        return bootstrap_mean(values.astype(np.float64), groups, bounded=bounded, **drawn)

    def auroc(one: Floats, other: Floats) -> dict[str, float]:
        return paired_difference(
            expit(one), expit(other), label, groups, metrics=("auroc",), **drawn
        )["auroc"]

    was, now = before >= 0, after >= 0
    sides = {"positive": label == 1, "negative": label == 0}
    found: dict[str, Any] = {
        "agreement": mean(was == now, True),
        "to_positive": mean(now & ~was, True),
        "to_negative": mean(was & ~now, True),
        "auroc": auroc(after, before),
    }
    for name, values in (
        ("probability", expit(after) - expit(before)),
        ("logodds", after - before),
    ):
        found[name] = {
            side: mean(np.where(chosen, values, np.nan)) for side, chosen in sides.items()
        }
    if floor is not None:
        less = (now != was).astype(np.float64) - ((floor >= 0) != was)
        found["beyond"] = {
            "changed": _within(mean(less), bool(less.any())),
            "auroc": auroc(after, floor),
        }
    return found


def _within(share: dict[str, float], known: bool) -> dict[str, float]:
    """Return a difference of shares whose interval stays between -1 and 1; without a patch that differs it is not known."""
    low, high = (share["low"], share["high"]) if known else (np.nan, np.nan)
    return {**share, "low": float(np.maximum(low, -1)), "high": float(np.minimum(high, 1))}
